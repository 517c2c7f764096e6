/** What programs see of failures, across the rooms: one class, one line, a code that stays, and the error behind it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageFolder, parseNpy, parseSafetensors, readImage, readStateDict } from '../../src/data/index.js';
import {
  type ErrorCode,
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  loadModel,
  nn,
  optim,
  Trainer,
  transforms,
} from '../../src/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, modelBytes, type NodeSpec } from '../onnx/build.js';

const CONV: NodeSpec = ['Conv', ['x', 'w'], ['/0/Conv_output_0'], { kernel_shape: [3, 3] }];
const weightsOf = (value: number) => floatTensor('w', [2, 3, 3, 3], new Array<number>(54).fill(value));
const modelOf = (last: NodeSpec, weight = 0.1, shape: (number | string)[] = [1, 3, 8, 8]): Uint8Array =>
  modelBytes({ inputs: [input('x', shape)], nodes: [CONV, last], initializers: [weightsOf(weight)] });
const bytes = modelOf(['Relu', ['/0/Conv_output_0'], ['y']]);
const unknown = modelOf(['com.example:Gate', ['/0/Conv_output_0'], ['y']]);
const quantised = modelOf(['QuantizeLinear', ['/0/Conv_output_0', 'w'], ['y']]);
const infinite = modelOf(['Relu', ['/0/Conv_output_0'], ['y']], Number.POSITIVE_INFINITY);

const dims = [1, 3, 8, 8];
const image = { dims, data: new Float32Array(192).fill(0.5) };
const broken = { dims, data: new Float32Array(192).fill(Number.NaN) };
const small = { dims: [1, 3, 8, 4], data: new Float32Array(96) };
const row = { dims: [1, 2], data: Float32Array.of(1, 2) };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const perceptual = async (config: object = {}): Promise<GlobalPercLoss> =>
  new GlobalPercLoss(await loadModel(bytes), new GlobalPercConfig({ printData: false, ...config }));
const trainer = (student: nn.Module = new nn.Linear(2, 2), lr = 0.1): Promise<Trainer> =>
  Trainer.create(student, new nn.MSELoss(), new optim.SGD({ lr }), { batch: [1, 2] });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-'));
  await writeFile(join(folder, 'text.png'), 'this is no picture');
});
afterAll(() => rm(folder, { recursive: true }));

/** A use after its disposal. */
async function disposedLoss(): Promise<unknown> {
  const loss = await perceptual();
  await loss.dispose();
  return loss.evaluate(image, image);
}

async function twoCallsAtOnce(): Promise<unknown> {
  await using loss = new nn.L1Loss();
  const { valueAndGrad } = await loss.synchronous();
  const other = loss.evaluate(image, image);
  try {
    return valueAndGrad(image, image);
  } finally {
    await other;
  }
}

async function otherCheckpoint(change: (files: Record<string, Uint8Array>) => Record<string, Uint8Array>) {
  await using made = await trainer();
  await using other = await trainer(new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 2)));
  await other.restore(change(await made.checkpoint()));
}

async function diverging(): Promise<void> {
  await using run = await trainer(new nn.Linear(2, 2), 1e30);
  for (let step = 0; step < 5; step += 1) await run.step(row, row);
}

const frozen = (): nn.Module => new nn.Linear(2, 2).freeze(/./);
const tensor = (dtype: 'float32' | 'int64' = 'float32') => createGraph().input('x', dtype, [2]);

type Case = readonly [what: string, act: () => unknown, code: ErrorCode, message: RegExp, cause?: object];
const CASES: readonly Case[] = [
  ['a missing model', () => loadModel('none/m.onnx'), 'io', /none\/m\.onnx/, { code: 'ENOENT' }],
  ['a refused address', () => loadModel('http://127.0.0.1:2/m.onnx'), 'io', /ECONNREFUSED/, TypeError.prototype],
  ['no model', () => loadModel(text('no model')), 'invalid-model', /not an ONNX file/, Error.prototype],
  ['a quantised model', () => loadModel(quantised), 'invalid-model', /QuantizeLinear_0'.*float32 file/],
  ['an unknown operator', () => loadModel(unknown), 'unsupported-operator', /Gate_0'.*not known/],
  ['an infinite weight', () => loadModel(infinite), 'not-finite', /'w'.*holds Infinity/],
  ['an unknown option of a model', () => loadModel(bytes, { inptu: 'x' } as object), 'invalid-option', /'input'/],
  ['an unknown module', () => perceptual({ modulesToHook: ['Linear'] }), 'invalid-option', /no module matched Linear/],
  ['a bad pattern', () => perceptual({ modulesToHook: ['/(/'] }), 'invalid-option', /\/\(\//, SyntaxError.prototype],
  ['a wrong weight', () => perceptual({ startWeight: 'a' }), 'invalid-option', /startWeight should be a number/],
  [
    'a nested key of JSON',
    () => GlobalPercConfig.fromJSON({ transformNormalization: [{ CenterCrop: 'wide' }] }),
    'invalid-option',
    /CenterCrop/,
  ],
  [
    'NaN in an image',
    async () => (await perceptual()).evaluate(broken, image),
    'not-finite',
    /pred holds NaN at \[0,0/,
  ],
  ['two shapes', async () => new nn.L1Loss().evaluate(image, small), 'invalid-argument', /\[1,3,8,8\].*\[1,3,8,4\]/],
  ['a shape the model refuses', async () => (await perceptual()).evaluate(small, small), 'invalid-argument', /accepts/],
  ['a disposed loss', disposedLoss, 'disposed', /disposed; make a new one/],
  ['two calls at once', twoCallsAtOnce, 'runtime', /await it/],
  ['a failing computation', noSuchRow, 'runtime', /ONNX Runtime could not/, Error.prototype],
  [
    'another checkpoint',
    () => otherCheckpoint((files) => files),
    'invalid-file',
    /checkpoint of another model or optimiser/,
  ],
  [
    'a damaged checkpoint',
    () => otherCheckpoint((files) => ({ ...files, 'trainer.json': text('{') })),
    'invalid-file',
    /trainer\.json is damaged/,
    SyntaxError.prototype,
  ],
  ['a diverging run', diverging, 'not-finite', /step \d: .*weights and optimiser are those of step/],
  ['a frozen student', () => trainer(frozen()), 'invalid-option', /no parameter to train/],
  ['a layer of no channels', () => new nn.Conv2d(0, 1, 1), 'invalid-option', /Conv2d.*from 1 on/],
  ['other weights', () => new nn.Linear(2, 2).loadStateDict({}), 'invalid-file', /missing: weight, bias/],
  ['a picture that is none', () => readImage(join(folder, 'text.png')), 'invalid-file', /text\.png/, Error.prototype],
  [
    'a folder of no pictures',
    () => ImageFolder.open(folder),
    'invalid-file',
    /none of the images/,
    GlobalPercError.prototype,
  ],
  ['a missing folder', () => ImageFolder.open(join(folder, 'none')), 'io', /no such/, { code: 'ENOENT' }],
  ['a damaged array', () => parseNpy(text('NUMPY'), 'a.npy'), 'invalid-file', /a\.npy is not a \.npy file/],
  ['damaged weights', () => parseSafetensors(text('{}'), 'a.safetensors'), 'invalid-file', /truncated/],
  ['missing weights', () => readStateDict(join(folder, 'a.pth')), 'io', /a\.pth/, { code: 'ENOENT' }],
  [
    'a function of data',
    () => nn.functional.relu(row as never),
    'invalid-argument',
    /^relu: argument 1 should be a symbolic/,
  ],
  [
    'a product with data',
    () => nn.functional.linear(tensor(), row as never),
    'invalid-argument',
    /^linear: argument 2/,
  ],
  ['a module of data', () => new nn.ReLU()(row as never), 'invalid-argument', /^ReLU: .*trainer\.predict/],
  ['a transform of data', () => new transforms.Pad(1).apply(row as never), 'invalid-argument', /^Pad expects/],
  [
    'a tensor and text',
    () => tensor().add('a' as never),
    'invalid-argument',
    /a tensor \[2\] goes with .* got string$/,
  ],
  ['a tensor and nothing', () => tensor().mul(undefined as never), 'invalid-argument', /got undefined$/],
  ['logic with a number', () => tensor().logicalAnd(1 as never), 'invalid-argument', /^And: input 1 .*got number/],
  ['two graphs', () => tensor().add(tensor()), 'invalid-argument', /^Add: input 1 .*'x' \[2\] of another graph/],
  ['two dtypes', twoTypes, 'invalid-argument', /^Add .*float32 and int64.*cast/, GlobalPercError.prototype],
  ['a choice of two numbers', () => tensor().where(1, 2), 'invalid-argument', /^where: one branch should be a tensor/],
];

function twoTypes(): unknown {
  const graph = createGraph();
  return graph.input('a', 'float32', [2]).add(graph.input('b', 'int64', [2]));
}

/** A row that an embedding does not have, which ONNX Runtime notices. */
async function noSuchRow(): Promise<unknown> {
  const [student, loss, optimizer] = [new nn.Embedding(2, 2), new nn.MSELoss(), new optim.SGD({ lr: 0.1 })];
  await using run = await Trainer.create(student, loss, optimizer, { batch: [1], dtype: 'int64' });
  return await run.step({ dims: [1], data: BigInt64Array.of(7n) }, row);
}

describe('a failure has its code, one line and its cause', () => {
  for (const [what, act, code, message, cause] of CASES)
    it(what, async () => {
      const error = await (async () => act())().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(GlobalPercError);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect((error as Error).message).not.toContain('\n');
      const behind = (error as Error).cause;
      if (cause === undefined) return;
      if (Object.hasOwn(cause, 'code')) expect(behind).toMatchObject(cause);
      else expect(Object.prototype.isPrototypeOf.call(cause, behind as object)).toBe(true);
    });
});
