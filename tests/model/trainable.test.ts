/** An imported model that trains: which constants are weights, whose they are, and that the loaded model stays as it is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TensorProto_DataType as ElementType, TensorProto_DataLocation as Location, type TensorProto } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { GlobalPercLoss, L1Loss } from '../../src/loss/index.js';
import { loadModel, TrainableModel } from '../../src/model/index.js';
import type { Parameter } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { floatTensor, input, intTensor, type ModelSpec, modelBytes, tensor } from '../onnx/build.js';

const cases = new URL('../../fixtures/data/cases/', import.meta.url);
const shapesOf = (model: TrainableModel): Record<string, string> =>
  Object.fromEntries(Array.from(model.namedState(), ([name, { shape }]) => [name, shape.join('×')]));

const build = (spec: Omit<ModelSpec, 'inputs'>): Promise<TrainableModel> =>
  loadModel(modelBytes({ ...spec, inputs: [input('x', [1, 4, 6, 6])] }), { trainable: true });

const constant = (name: string, dims: readonly number[], values: number[]): ModelSpec['nodes'][number] => [
  'Constant',
  [],
  [name],
  { value: floatTensor(name, dims, values) },
];

const image = (shape: readonly number[], seed: number) => ({
  dims: [...shape],
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(seed * (i + 1))),
});

describe('tensors that the exporter stored once because they were equal', () => {
  it('are weights of each module (TorchScript)', async () => {
    const model = await loadModel(new URL('tied-ts.onnx', cases), { trainable: true });
    expect(shapesOf(model)).toEqual({
      'c1.weight': '6×3×3×3',
      'c1.bias': '6',
      'n1.weight': '6×1×1',
      'n1.bias': '6×1×1',
      'c2.weight': '6×6×3×3',
      'c2.bias': '6',
      'n2.weight': '6×1×1',
      'n2.bias': '6×1×1',
      'c3.weight': '3×6×1×1',
      'c3.bias': '3',
    });
    expect(model.shared).toEqual({});
  });

  it('are weights of each module, and the ones and zeros inside a GroupNorm are none (dynamo)', async () => {
    const model = await loadModel(new URL('tied-dynamo.onnx', cases), { trainable: true });
    expect(shapesOf(model)).toEqual({
      'c1.weight': '6×3×3×3',
      'n1.weight': '6×1×1',
      'n1.bias': '6×1×1',
      'c2.weight': '6×6×3×3',
      'n2.weight': '6×1×1',
      'n2.bias': '6×1×1',
      'c3.weight': '3×6×1×1',
    });
  });

  it.each(['tied-ts.onnx', 'tied-dynamo.onnx'])('train apart and are written apart: %s', async (file) => {
    const student = await loadModel(new URL(file, cases), { trainable: true });
    const batch = [2, 3, 8, 8];
    await student.prepare(batch);
    await using trainer = await Trainer.create(student, new L1Loss(), new SGD({ lr: 0.1 }), { batch });
    await trainer.step(image(batch, 1), image(batch, 2));
    await student.synchronize();
    const state = student.stateDict();
    expect(state['n1.bias']?.data).not.toEqual(state['n2.bias']?.data);
    const again = await loadModel(student.toOnnx(), { trainable: true });
    expect(again.stateDict()).toEqual(state);
    await again.prepare(batch);
    await using check = await Trainer.create(again, new L1Loss(), new SGD({ lr: 0.1 }), { batch });
    expect((await check.predict(image(batch, 3))).data).toEqual((await trainer.predict(image(batch, 3))).data);
  });
});

describe('constants', () => {
  it('in Constant nodes are weights, settings are not', async () => {
    const ones = Array.from({ length: 4 }, () => 1);
    const model = await build({
      nodes: [
        constant(
          'kernel',
          [4, 4, 1, 1],
          Array.from({ length: 16 }, (_, i) => i),
        ),
        constant('shift', [4, 1, 1], [1, 2, 3, 4]),
        constant('half', [1], [0.5]),
        constant('slope', [1], [0.2]),
        constant('scales', [4], [1, 1, 2, 2]),
        constant('limits', [4, 1, 1], [1, 2, 3, 4]),
        ['Conv', ['x', 'kernel'], ['a']],
        ['Add', ['a', 'shift'], ['b']],
        ['Mul', ['b', 'half'], ['c']],
        ['PRelu', ['c', 'slope'], ['d']],
        ['InstanceNormalization', ['d', 'val_1', 'val_2'], ['e']],
        ['Resize', ['e', '', 'scales'], ['f']],
        ['Greater', ['f', 'limits'], ['g']],
        ['Where', ['g', 'f', 'limits'], ['y']],
      ],
      initializers: [floatTensor('val_1', [4], ones), floatTensor('val_2', [4], [0, 0, 0, 0])],
    });
    expect(Object.keys(shapesOf(model))).toEqual(['kernel', 'shift', 'slope']);
  });

  it('of a normalisation are weights where they have a name or values of their own', async () => {
    const model = await build({
      nodes: [
        ['InstanceNormalization', ['x', 'norm.weight', 'norm.bias'], ['a']],
        ['InstanceNormalization', ['a', 'val_1', 'val_2'], ['y']],
      ],
      initializers: [
        floatTensor('norm.weight', [4], [1, 1, 1, 1]),
        floatTensor('norm.bias', [4], [0, 0, 0, 0]),
        floatTensor('val_1', [4], [1, 2, 1, 1]),
        floatTensor('val_2', [4], [0, 0, 0, 0]),
      ],
    });
    expect(Object.keys(shapesOf(model))).toEqual(['norm.weight', 'norm.bias', 'val_1']);
  });
});

describe('an export of a conditioned network', () => {
  it('has names for what trains, and neither tables nor scales among it', async () => {
    const frequencies = Array.from({ length: 8 }, (_, i) => Math.exp(-i));
    const weights = Array.from({ length: 16 }, (_, i) => Math.sin(i));
    const dynamo = (path: string) => ({
      'pkg.torch.onnx.name_scopes': `['', '${path}', 'op']`,
      'pkg.torch.onnx.class_hierarchy': `['Net', 'torch.nn.modules.linear.Linear', 'aten.linear.default']`,
    });
    const student = await build({
      nodes: [
        ['MatMul', ['turned', 'val_115'], ['q']],
        ['Mul', ['q', 'val_7'], ['scaled']],
        ['Mul', ['scaled', 'unsqueeze_1'], ['y']],
        ['Mul', ['x', 'gain'], ['gained']],
        ['Reshape', ['gained', 'shape'], ['turned']],
      ],
      initializers: [
        floatTensor('val_115', [4, 8], [...weights, ...weights]),
        floatTensor('val_7', [1], [0.5]),
        floatTensor('unsqueeze_1', [1, 8], frequencies),
        floatTensor('gain', [1], [2]),
        intTensor('shape', [36, 4]),
      ],
      metadata: {
        MatMul_0: dynamo('block.attn1.to_q'),
        Mul_0: dynamo('block.attn1'),
        Mul_1: dynamo('time_proj'),
        Mul_2: dynamo(''),
        Reshape_0: dynamo(''),
      },
    });
    expect(shapesOf(student)).toEqual({ gain: '1', 'block.attn1.to_q.weight.T': '4×8' });
    student.freeze().trainable(/attn.*to_q/);
  });

  it('that reads tokens is a student; a loss of images refuses it', async () => {
    const bytes = modelBytes({
      inputs: [input('input_ids', ['batch', 3], ElementType.INT64)],
      nodes: [['Gather', ['embedding.weight', 'input_ids'], ['y']]],
      initializers: [
        floatTensor(
          'embedding.weight',
          [5, 2],
          Array.from({ length: 10 }, (_, i) => i),
        ),
      ],
    });
    const student = await loadModel(bytes, { trainable: true });
    const ids = { dtype: 'int64', shape: [2, 3] } as const;
    await using trainer = await Trainer.create(student, new L1Loss(), new SGD(), { inputs: { input_ids: ids } });
    const { data } = await trainer.predict({ input_ids: { dims: [1, 3], data: [4, 0, 1] } });
    expect([...data]).toEqual([8, 9, 0, 1, 2, 3]);
    expect(() => new GlobalPercLoss(student.model)).toThrow(
      "input 'input_ids' is int64; a loss needs a float32 image input",
    );
  });
});

describe('frozen weights', () => {
  it('stay in their file, which nobody reads into memory, and compute all the same', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'globalperc-'));
    const weights = Float32Array.from({ length: 2 * 128 * 128 }, (_, i) => Math.sin(i) / 16);
    const bytes = new Uint8Array(weights.buffer);
    await writeFile(join(folder, 'weights'), bytes);
    const half = bytes.length / 2;
    const beside = (name: string, offset: number) => {
      const place = { location: 'weights', offset: String(offset), length: String(half) };
      const externalData = Object.entries(place).map(([key, value]) => ({ key, value }));
      return tensor(name, ElementType.FLOAT, [128, 128], {
        dataLocation: Location.EXTERNAL,
        externalData,
      } as Partial<TensorProto>);
    };
    const spec = (initializers: TensorProto[]): ModelSpec => ({
      inputs: [input('x', [2, 128])],
      nodes: [
        ['MatMul', ['x', 'first.weight'], ['h']],
        ['Relu', ['h'], ['r']],
        ['MatMul', ['r', 'second.weight'], ['y']],
      ],
      initializers,
    });
    await writeFile(
      join(folder, 'model.onnx'),
      modelBytes(spec([beside('first.weight', 0), beside('second.weight', half)])),
    );
    const inMemory = spec([
      floatTensor('first.weight', [128, 128], [...weights.subarray(0, 128 * 128)]),
      floatTensor('second.weight', [128, 128], [...weights.subarray(128 * 128)]),
    ]);
    const batch = [2, 128];
    const predictions: Float32Array[] = [];
    for (const source of [join(folder, 'model.onnx'), modelBytes(inMemory)]) {
      const student = (await loadModel(source, { trainable: true })).freeze(/first/);
      await using trainer = await Trainer.create(student, new L1Loss(), new SGD({ lr: 0.1 }), { batch });
      await trainer.step(image(batch, 1), image(batch, 2));
      await trainer.save(join(folder, 'run'));
      predictions.push((await trainer.predict(image(batch, 3))).data);
      const [first, second] = student.parameters() as [Parameter, Parameter];
      if (predictions.length > 1) break;
      expect(first.constant.place?.location).toBe('weights');
      await trainer.synchronize();
      expect(second.constant.place).toBeUndefined();
      expect([...first.data.subarray(0, 4)]).toEqual([...weights.subarray(0, 4)]);
    }
    expect(predictions[0]).toEqual(predictions[1]);
    await rm(folder, { recursive: true });
  });
});

it('weights train through what is computed from them', async () => {
  const student = await build({
    nodes: [
      ['Transpose', ['w'], ['turned'], { perm: [1, 0] }],
      ['MatMul', ['x', 'turned'], ['y']],
    ],
    initializers: [
      floatTensor(
        'w',
        [6, 6],
        Array.from({ length: 36 }, (_, i) => Math.sin(i)),
      ),
    ],
  });
  const batch = [1, 4, 6, 6];
  const before = Array.from(student.parameters()[0]?.data ?? []);
  await using trainer = await Trainer.create(student, new L1Loss(), new SGD({ lr: 0.1 }), { batch });
  const [input, target] = [image(batch, 1), image(batch, 2)];
  const first = await trainer.step(input, target);
  await trainer.synchronize();
  expect(Array.from(student.parameters()[0]?.data ?? [])).not.toEqual(before);
  expect((await trainer.evaluate(input, target)).loss).toBeLessThan(first.loss);
});

describe('the loaded model', () => {
  it('is not changed by one that trains, nor is another that trains', async () => {
    const { model } = await loadModel(new URL('tied-ts.onnx', cases), { trainable: true });
    const [first, second] = [new TrainableModel(model), new TrainableModel(model)];
    const before = second.toOnnx();
    for (const parameter of first.parameters()) parameter.data.fill(7);
    const changed = first.toOnnx();
    expect(changed).not.toEqual(before);
    expect(second.toOnnx()).toEqual(before);
    expect(new TrainableModel(model).toOnnx()).toEqual(before);
    expect((await loadModel(changed, { trainable: true })).parameters().every(({ data }) => data[0] === 7)).toBe(true);
  });
});
