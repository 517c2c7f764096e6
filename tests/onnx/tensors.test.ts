/** Weights in every encoding, in the file and beside it. */
import { TensorProto_DataLocation as Location, TensorProto_DataType as T, type TensorProto } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { GlobalPercError, numbersOf } from '../../src/graph/index.js';
import { fileInMemory } from '../../src/onnx/index.js';
import { floatTensor, intTensor, type ModelSpec, modelBytes, type NodeSpec, tensor } from './build.js';
import { ascii, parse, read, small, withWeight } from './parse.js';

const weightOf = async (weight: TensorProto) => {
  const constant = (await read(withWeight(weight))).nodes[0]?.inputs[0]?.constant;
  return constant && { dtype: constant.dtype, shape: constant.shape, values: numbersOf(constant) };
};

describe('constants', () => {
  it.each<[string, TensorProto, unknown]>([
    ['float_data', floatTensor('w', [2], [1.5, -2]), { dtype: 'float32', shape: [2], values: [1.5, -2] }],
    [
      'double_data',
      tensor('w', T.DOUBLE, [2], { doubleData: [0.1, 2] }),
      { dtype: 'float64', shape: [2], values: [0.1, 2] },
    ],
    ['int64_data', intTensor('w', [-1, 3]), { dtype: 'int64', shape: [2], values: [-1, 3] }],
    ['int32', tensor('w', T.INT32, [1], { int32Data: [-7] }), { dtype: 'int32', shape: [1], values: [-7] }],
    ['int16', tensor('w', T.INT16, [1], { int32Data: [-7] }), { dtype: 'int16', shape: [1], values: [-7] }],
    ['uint16', tensor('w', T.UINT16, [1], { int32Data: [65535] }), { dtype: 'uint16', shape: [1], values: [65535] }],
    ['int8', tensor('w', T.INT8, [2], { int32Data: [-7, 7] }), { dtype: 'int8', shape: [2], values: [-7, 7] }],
    ['uint8', tensor('w', T.UINT8, [1], { int32Data: [255] }), { dtype: 'uint8', shape: [1], values: [255] }],
    ['bool', tensor('w', T.BOOL, [2], { int32Data: [0, 1] }), { dtype: 'bool', shape: [2], values: [0, 1] }],
    [
      'uint32',
      tensor('w', T.UINT32, [1], { uint64Data: [4294967295n] }),
      { dtype: 'uint32', shape: [1], values: [4294967295] },
    ],
    ['uint64', tensor('w', T.UINT64, [1], { uint64Data: [5n] }), { dtype: 'uint64', shape: [1], values: [5] }],
    ['a scalar', floatTensor('w', [], [4]), { dtype: 'float32', shape: [], values: [4] }],
    ['nothing', floatTensor('w', [0, 3], []), { dtype: 'float32', shape: [0, 3], values: [] }],
    [
      'raw_data',
      tensor('w', T.FLOAT, [1], { rawData: new Uint8Array(Float32Array.of(3.25).buffer) }),
      { dtype: 'float32', shape: [1], values: [3.25] },
    ],
    [
      'raw bool',
      tensor('w', T.BOOL, [2], { rawData: Uint8Array.of(1, 0) }),
      { dtype: 'bool', shape: [2], values: [1, 0] },
    ],
  ])('%s', async (_, weight, expected) => {
    expect(await weightOf(weight)).toEqual(expected);
  });

  it('leaves raw data in the bytes of the file', async () => {
    const bytes = modelBytes(withWeight(tensor('w', T.FLOAT, [64], { rawData: new Uint8Array(256) })));
    const constant = (await parse(bytes)).nodes[0]?.inputs[0]?.constant;
    expect(constant?.bytes.buffer).toBe(bytes.buffer);
  });

  it.each<[string, NonNullable<NodeSpec[3]>, unknown]>([
    ['value', { value: floatTensor('', [2], [1, 2]) }, { dtype: 'float32', shape: [2], values: [1, 2] }],
    ['value_float', { value_float: { float: 2.5 } }, { dtype: 'float32', shape: [], values: [2.5] }],
    ['value_floats', { value_floats: { floats: [1, 2] } }, { dtype: 'float32', shape: [2], values: [1, 2] }],
    ['value_int', { value_int: 3 }, { dtype: 'int64', shape: [], values: [3] }],
    ['value_ints', { value_ints: [3, -4] }, { dtype: 'int64', shape: [2], values: [3, -4] }],
  ])('of a Constant node: %s', async (_, attributes, expected) => {
    const graph = await read({
      nodes: [
        ['Constant', [], ['c'], attributes],
        ['Identity', ['c'], ['y']],
      ],
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Identity']);
    const constant = graph.nodes[0]?.inputs[0]?.constant;
    expect(constant && { dtype: constant.dtype, shape: constant.shape, values: numbersOf(constant) }).toEqual(expected);
  });

  it('must fit their shape and hold numbers', async () => {
    await expect(weightOf(floatTensor('w', [3], [1, 2]))).rejects.toThrow(
      /initializer 'w': float32\[3\] takes 12 bytes, the file holds 8/,
    );
    await expect(weightOf(floatTensor('w', [-1, -2], [1, 2]))).rejects.toThrow(GlobalPercError);
    await expect(weightOf(tensor('w', T.STRING, [1], { stringData: [ascii('a')] }))).rejects.toThrow(
      /element type STRING/,
    );
  });

  it('that nothing reads are not looked at', async () => {
    const initializers = [...(small.initializers ?? []), tensor('unused', T.FLOAT16, [1], { int32Data: [0] })];
    expect((await read({ ...small, initializers })).nodes).toHaveLength(3);
  });
});

describe('external data', () => {
  const external = (entries: Record<string, string>): ModelSpec =>
    withWeight(
      tensor('w', T.FLOAT, [2], {
        dataLocation: Location.EXTERNAL,
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      } as Partial<TensorProto>),
    );
  const file = new Uint8Array(Float32Array.of(9, 1, 2, 9).buffer);

  it('is read by location, offset and length', async () => {
    const graph = await read(external({ location: 'weights.bin', offset: '4', length: '8' }), {
      external: async () => fileInMemory(file),
    });
    const constant = graph.nodes[0]?.inputs[0]?.constant;
    expect(constant && numbersOf(constant)).toEqual([1, 2]);
    expect(constant?.bytes.buffer).toBe(file.buffer);
  });

  it('is a whole file when only its location is given', async () => {
    const graph = await read(external({ location: 'w' }), { external: () => fileInMemory(file.subarray(4, 12)) });
    expect(graph.nodes[0]?.inputs[0]?.constant?.bytes).toHaveLength(8);
  });

  it('is asked for once per file', async () => {
    const asked: string[] = [];
    const weight = (name: string, offset: number) =>
      tensor(name, T.FLOAT, [2], {
        dataLocation: Location.EXTERNAL,
        externalData: [
          { key: 'location', value: 'all' },
          { key: 'offset', value: `${offset}` },
          { key: 'length', value: '8' },
        ],
      } as Partial<TensorProto>);
    const spec = { nodes: [['Add', ['a', 'b'], ['y']] as NodeSpec], initializers: [weight('a', 0), weight('b', 8)] };
    await read(spec, {
      external: (location) => {
        asked.push(location);
        return fileInMemory(file);
      },
    });
    expect(asked).toEqual(['all']);
  });

  it('that is missing, too short or elsewhere is named', async () => {
    const spec = external({ location: 'model.onnx_data', offset: '0', length: '8' });
    await expect(read(spec)).rejects.toThrow(
      /tensor 'w' is kept in the file 'model\.onnx_data' beside the model; load the model by path/,
    );
    const missing = () => {
      throw new Error('ENOENT');
    };
    await expect(read(spec, { external: missing })).rejects.toThrow(
      /'model\.onnx_data' beside the model, which cannot be read: ENOENT/,
    );
    await expect(read(spec, { external: () => fileInMemory(file.subarray(0, 4)) })).rejects.toThrow(
      /bytes 0 to 8 of 'model\.onnx_data', which has 4/,
    );
    const pointer = new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 8\n');
    await expect(read(spec, { external: () => fileInMemory(pointer) })).rejects.toThrow(
      /'model\.onnx_data' beside the model, but that is a Git LFS pointer, .* `git lfs pull`/,
    );
    await expect(read(external({ location: '../secret' }), { external: () => fileInMemory(file) })).rejects.toThrow(
      /outside the model's directory/,
    );
    await expect(
      read(external({ location: 'w', offset: '-4' }), { external: () => fileInMemory(file) }),
    ).rejects.toThrow(/cannot be read/);
  });
});
