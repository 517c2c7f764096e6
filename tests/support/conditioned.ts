/** Teachers of several inputs as PyTorch computes them: see `fixtures/make_conditioned.py`. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, loadModel, type Model, nn, type TensorLike } from '../../src/index.js';
import { relativeError } from './run.js';
import { hostOf, readFixture } from './safetensors.js';

interface Case {
  readonly label: string;
  readonly file: string;
  /** Name of the input that receives the image. */
  readonly image: string;
  readonly config: object;
  /** What the others are given. */
  readonly inputs: Readonly<Record<string, { readonly dims: number[]; readonly data: number[] }>>;
  readonly pred: string;
  readonly target: string;
  readonly loss: number;
  readonly hooks: Readonly<Record<string, number>>;
  readonly grad: string;
  readonly gradNoise: number;
}

const fixture = readFixture<Case>('conditioned/conditioned.safetensors');
const tensor = (key: string) => hostOf(fixture.tensor(key));

/** A teacher with the images that it compares. */
export interface Teacher extends Pick<Case, 'label' | 'inputs' | 'loss' | 'hooks'> {
  readonly pred: TensorLike & { readonly dims: number[]; readonly data: Float32Array<ArrayBuffer> };
  readonly target: TensorLike & { readonly dims: number[]; readonly data: Float32Array<ArrayBuffer> };
  load(style: Style): Promise<GlobalPercLoss>;
  /** Holds a loss and a gradient against PyTorch's. */
  expectSame(found: number, gradient: ArrayLike<number>, factor?: number): void;
}

export type Style = 'torchscript' | 'dynamo';

async function modelOf({ label, file, image }: Case, style: Style): Promise<Model> {
  const path = new URL(`../../fixtures/data/conditioned/${file}.${style}.onnx.gz`, import.meta.url);
  const model = await loadModel(gunzipSync(readFileSync(path)), { input: image });
  if (label !== 'sam on latents') return model;
  const reading = new nn.Conv2d(4, 16, 3, { padding: 1 });
  reading.weight.data = tensor(`${label}.weight`).data;
  (reading.bias as nn.Parameter).data = tensor(`${label}.bias`).data;
  return model.replace('sam.vision_encoder.patch_embed.projection', reading);
}

export const teachers: readonly Teacher[] = fixture.cases.map((test) => {
  const grad = tensor(test.grad).data;
  return {
    ...test,
    pred: tensor(test.pred) as Teacher['pred'],
    target: tensor(test.target) as Teacher['target'],
    load: async (style) =>
      new GlobalPercLoss(await modelOf(test, style), GlobalPercConfig.fromJSON(test.config, { printData: false })),
    expectSame(found, gradient, factor = 1) {
      expect(relativeError([found], [factor * test.loss])).toBeLessThan(1e-5);
      const expected = grad.map((each) => factor * each);
      expect(relativeError(gradient, expected)).toBeLessThan(1e-5 + 4 * test.gradNoise);
    },
  };
});
