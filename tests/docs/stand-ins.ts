/** What the examples of the documentation read, small: under the names that they call it by. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { encodePng, formatSafetensors } from '../../src/data/index.js';
import { exportOnnx, Generator, models, nn, type Tensor } from '../../src/index.js';
import { input, modelBytes } from '../onnx/build.js';
import { ROOT } from './documents.js';

/** What is run otherwise than it is written: fewer steps of smaller batches, and weights whose names promise a hash. */
const SHORTER: readonly (readonly [string, string])[] = [
  ['step === 1000', 'step === 2'],
  ['"steps": 1000', '"steps": 2'],
  ['batch: [8,', 'batch: [2,'],
  ['batchSize: 8', 'batchSize: 2'],
  ['"batchSize": 8', '"batchSize": 2'],
  ['vgg16-397923af.pth', 'vgg16.onnx'],
  ['dinov2_vits14_reg4_pretrain.pth', 'dinov2.safetensors'],
];

/** An example as it is run. */
export const shorter = (code: string): string =>
  SHORTER.reduce((text, [long, short]) => text.replaceAll(long, short), code);

/** A UNet's inputs: relu(sample + timestep + mean of the text). */
const UNET = modelBytes({
  inputs: [
    input('sample', ['batch', 4, 'height', 'width']),
    input('timestep', ['one'], ElementType.INT64),
    input('encoder_hidden_states', ['batch', 'tokens', 32]),
  ],
  nodes: [
    ['Cast', ['timestep'], ['time'], { to: ElementType.FLOAT }],
    ['Add', ['sample', 'time'], ['timed']],
    ['ReduceMean', ['encoder_hidden_states'], ['text'], { keepdims: 0 }],
    ['Add', ['timed', 'text'], ['sum']],
    ['Relu', ['sum'], ['y']],
  ],
});

/** VGG16 up to its last convolution (Simonyan and Zisserman 2014), named as torchvision's. */
class VGG16 extends nn.Module {
  static readonly className = 'VGG';
  readonly features = new nn.Sequential(
    ...[64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512].flatMap((width, i, widths) => {
      if (width === 0) return [new nn.MaxPool2d(2)];
      const from = widths.slice(0, i).findLast((before) => before > 0) ?? 3;
      return [new nn.Conv2d(from, width, 3, { padding: 1 }), new nn.ReLU()];
    }),
  );
  override forward(x: Tensor): Tensor {
    return this.features(x);
  }
}

/** A picture of noise. */
async function putPicture(path: string, seed: number): Promise<void> {
  const generator = new Generator(seed);
  const data = Float32Array.from({ length: 3 * 112 * 112 }, () => generator.uniform());
  await writeFile(path, await encodePng({ dims: [3, 112, 112], data }));
}

const recipes = `${ROOT}/fixtures/data/recipes`;

/** What the scripts of the README read. */
export async function putModelAndPhotos(folder: string): Promise<void> {
  await copyFile(`${recipes}/dinov2_vits14_reg.onnx`, join(folder, 'dinov2_vits14_reg.onnx'));
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < 8; i += 1) await putPicture(join(folder, 'photos', `${i}.png`), i);
}

/** Fills a folder with all of it. */
export async function putStandIns(folder: string): Promise<void> {
  await putModelAndPhotos(folder);
  await copyFile(`${recipes}/resnet18.onnx`, join(folder, 'resnet18.onnx'));
  await copyFile(`${recipes}/resnet18.onnx`, join(folder, 'teacher.onnx'));
  await writeFile(join(folder, 'unet.onnx'), UNET);
  await exportOnnx(new VGG16(), join(folder, 'vgg16.onnx'), { input: [1, 3, 64, 64] });
  const state = models.dinov2Vits14Reg().stateDict();
  await writeFile(join(folder, 'dinov2.safetensors'), formatSafetensors(state));
  await putPicture(join(folder, 'pred.png'), 1);
  await putPicture(join(folder, 'target.png'), 2);
}
