/** A file that a model was read from is never written over, by whatever name it is called. */
import { copyFile, link, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  exportOnnx,
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  nn,
  TeacherStudentLoss,
  type Tensor,
  type TrainableModel,
} from '../../src/index.js';

const vgg = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
const SHAPE = [1, 3, 16, 16];
const config = new GlobalPercConfig({ printData: false });
let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'overwriting-'));
  await copyFile(vgg, at('vgg.onnx'));
  await symlink(at('vgg.onnx'), at('linked.onnx'));
  await link(at('vgg.onnx'), at('hard-linked.onnx'));
});
afterAll(() => rm(folder, { recursive: true }));

class Outer extends nn.Module {
  readonly inner: TrainableModel;
  constructor(inner: TrainableModel) {
    super();
    this.inner = inner;
  }
  override forward(x: Tensor): Tensor {
    return this.inner(x)[0] as Tensor;
  }
}

type Write = (source: string | URL, out: string) => Promise<unknown>;

const writes: [string, Write][] = [
  [
    'a compiled loss',
    async (source, out) => new GlobalPercLoss(await loadModel(source), config).compileToFile(out, SHAPE),
  ],
  [
    'a compiled loss of several terms',
    async (source, out) =>
      new nn.WeightedLoss([
        [new nn.L1Loss(), 1],
        [new GlobalPercLoss(await loadModel(source), config), 0.1],
      ]).compileToFile(out, SHAPE),
  ],
  [
    'a compiled distillation',
    async (source, out) =>
      new TeacherStudentLoss(await loadModel(source), new nn.ReLU(), config).compileToFile(out, SHAPE),
  ],
  ['a student', async (source, out) => exportOnnx(await loadModel(source, { trainable: true }), out)],
  [
    'a student within another',
    async (source, out) => exportOnnx(new Outer(await loadModel(source, { trainable: true })), out, { input: SHAPE }),
  ],
];

describe.each(writes)('%s', (_what, write) => {
  it.each([
    ['its own name', () => at('vgg.onnx'), 'vgg.onnx'],
    ['a URL', () => pathToFileURL(at('vgg.onnx')), 'vgg.onnx'],
    ['a link', () => at('vgg.onnx'), 'linked.onnx'],
    ['a hard link', () => at('hard-linked.onnx'), 'vgg.onnx'],
  ])('is not written over its model by %s', async (_name, source, out) => {
    await expect(write(source(), at(out))).rejects.toMatchObject({
      message: expect.stringMatching(/was read and would be overwritten: name another file$/),
      code: 'invalid-option',
    });
    expect((await readFile(at('vgg.onnx'))).equals(await readFile(vgg))).toBe(true);
  });
});

it('what was not read may be replaced', async () => {
  await copyFile(vgg, at('old.onnx'));
  await exportOnnx(await loadModel(at('vgg.onnx'), { trainable: true }), at('old.onnx'));
  expect((await readFile(at('old.onnx'))).equals(await readFile(vgg))).toBe(false);
});
