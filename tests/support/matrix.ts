/** Architectures as people know them, small and with random weights, as stored by `fixtures/make_matrix.py`. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ConstantData, typedArray } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, type LossOptions } from '../../src/loss/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import { readFixture } from './safetensors.js';

/** A loss as PyTorch computes it. */
export interface MatrixCase {
  readonly name: string;
  readonly config: object;
  readonly inputs: { readonly pred: string; readonly target: string };
  readonly further: Readonly<Record<string, string>>;
  readonly loss: number;
  readonly grad: string;
  readonly hooks: readonly { readonly path: string; readonly class: string; readonly shape: readonly number[] }[];
}

const folder = fileURLToPath(new URL('../../fixtures/data/matrix/', import.meta.url));

/** Every model there is, by its file's name. */
export const matrixNames = readdirSync(folder).flatMap((file) =>
  file.endsWith('.onnx') ? [file.replace(/\.onnx$/, '')] : [],
);

export const matrixFixture = (name: string) => readFixture<MatrixCase>(`matrix/${name}.safetensors`);

export const tensorOf = ({ dtype, shape, bytes }: ConstantData) => ({ dims: shape, data: typedArray(dtype, bytes) });

const models = new Map<string, Promise<Model>>();

/** The loss of a case, on the hooks that PyTorch had. */
export async function matrixLoss(name: string, test: MatrixCase, options: LossOptions = {}): Promise<GlobalPercLoss> {
  const { tensor } = matrixFixture(name);
  const given = Object.entries(test.further).map(([key, stored]) => [key, tensorOf(tensor(stored))] as const);
  const image = name.startsWith('sam-prompt') ? { input: 'image_embeddings' } : {};
  const key = `${name} ${JSON.stringify(test.further)}`;
  const loading =
    models.get(key) ?? loadModel(`${folder}${name}.onnx`, { inputs: Object.fromEntries(given), ...image });
  models.set(key, loading);
  const paths = new Set(test.hooks.map((hook) => hook.path));
  const modulesToHook = [(path: string) => paths.has(path)];
  return new GlobalPercLoss(
    await loading,
    GlobalPercConfig.fromJSON(test.config, { modulesToHook, printData: false }),
    options,
  );
}
