/** A student of our nn, images for it, and what our own training step finds: what other frameworks' students are held to. */
import { fileURLToPath } from 'node:url';
import {
  Generator,
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  type Loss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  optim,
  type Tensor,
  type TensorLike,
  Trainer,
  transforms,
} from '../../src/index.js';

/** Height and width of all images. */
const SIDE = 32;

/** An image batch `[batch, 3, 32, 32]`, uniform in [0, 1). */
export function noise(batch: number, seed: number): TensorLike {
  const generator = new Generator(seed);
  const dims = [batch, 3, SIDE, SIDE];
  return { dims, data: Float32Array.from({ length: batch * 3 * SIDE * SIDE }, () => generator.uniform()) };
}

/** x + conv(relu(conv(x))). */
export class Student extends nn.Module {
  readonly first = new nn.Conv2d(3, 6, 3, { padding: 1 });
  readonly relu = new nn.ReLU();
  readonly second = new nn.Conv2d(6, 3, 3, { padding: 1 });

  override forward(x: Tensor): Tensor {
    return x.add(this.second(this.relu(this.first(x))));
  }
}

/** A perceptual loss with one of the stored models as teacher. */
export const perceptual = async (name: string, options: GlobalPercOptions = {}): Promise<Loss> => {
  const path = fileURLToPath(new URL(`../../fixtures/data/models/${name}.onnx`, import.meta.url));
  return new GlobalPercLoss(await loadModel(path), new GlobalPercConfig({ ...options, printData: false }));
};

/** Losses to be tried. */
export const LOSSES: Readonly<Record<string, () => Promise<Loss>>> = {
  'all leaves of a VGG, cosine': () => perceptual('vgg.dynamo'),
  'a ConvNeXt behind Normalize, l2': () =>
    perceptual('convnext.dynamo', {
      curveForce: 3,
      lossFunc: new NormalizedTensorLoss('l2', 'mean', 'instancenorm'),
      transformNormalization: new transforms.Compose([
        new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
      ]),
    }),
  L1Loss: async () => new nn.L1Loss(),
};

/** Batch sizes to be tried, where they are several. */
export const BATCHES: Readonly<Record<string, readonly number[]>> = { L1Loss: [1, 4] };

/** Loss and gradients of the weights in our own training step: one step of SGD moves each weight by lr · gradient. */
export async function ours(module: nn.Module, loss: Loss, input: TensorLike, target: TensorLike) {
  const lr = 1000; // Far beyond rounding of the weights.
  const before = module.stateDict();
  await using trainer = await Trainer.create(module, loss, new optim.SGD({ lr }), { batch: input.dims });
  const { loss: value } = await trainer.step(input, target);
  await trainer.synchronize();
  const gradients = Object.entries(module.stateDict()).map(([name, { data }]) => {
    const old = before[name]?.data as Float32Array;
    return [name, Array.from(data as Float32Array, (weight, i) => ((old[i] as number) - weight) / lr)] as const;
  });
  return { value, gradients: Object.fromEntries(gradients) };
}
