/** Shapes, constants, attributes and errors: the vocabulary of graphs. */
import { describe, expect, it } from 'vitest';
import {
  AttributeReader,
  attributesOf,
  broadcastShapes,
  byteLengthOf,
  bytesOf,
  bytesPerElement,
  constantInFile,
  constantOf,
  type DataType,
  describeNode,
  differences,
  float,
  floats,
  GlobalPercError,
  insertAxes,
  int,
  ints,
  isDifferentiable,
  kindOf,
  listed,
  makeNode,
  normalizeAxis,
  numbersOf,
  ONNX_DTYPE,
  type Shape,
  sameShape,
  sizeOf,
  string,
  typedArray,
} from '../../src/graph/index.js';
import { ReLU } from '../../src/nn/index.js';

describe('shapes', () => {
  const broadcasts: [Shape[], Shape][] = [
    [
      [[2, 3], [3]],
      [2, 3],
    ],
    [
      [
        [2, 1],
        [1, 3],
      ],
      [2, 3],
    ],
    [[[], [4]], [4]],
    [
      [[1], [1, 1]],
      [1, 1],
    ],
    [
      [[2, 1, 1], [3, 1], [4]],
      [2, 3, 4],
    ],
    [
      [
        [0, 1],
        [1, 5],
      ],
      [0, 5],
    ],
  ];
  it.each(broadcasts)('%j broadcast to %j', (shapes, result) => {
    expect(broadcastShapes(...shapes)).toEqual(result);
    expect(broadcastShapes(...shapes.toReversed())).toEqual(result);
  });

  it.each([
    [[[2], [3]]],
    [[[2, 3], [2]]],
    [
      [
        [4, 1],
        [2, 3],
        [3, 3],
      ],
    ],
  ])('%j do not', (shapes) => {
    const listed = shapes.map((shape) => `[${shape}]`).join(' and ');
    expect(() => broadcastShapes(...shapes)).toThrow(`shapes ${listed} cannot be broadcast together`);
  });

  it('are the same with the same dimensions', () => {
    expect(sameShape([2, 3], [2, 3])).toBe(true);
    for (const other of [[3, 2], [2], [2, 3, 1], []]) expect(sameShape([2, 3], other)).toBe(false);
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([2, 0])]).toEqual([1, 6, 0]);
  });

  it('have axes that count from either end', () => {
    expect([normalizeAxis(0, 3), normalizeAxis(2, 3), normalizeAxis(-1, 3), normalizeAxis(-3, 3)]).toEqual([
      0, 2, 2, 0,
    ]);
    expect([normalizeAxis(0, 0), normalizeAxis(-1, 1)]).toEqual([0, 0]);
    for (const axis of [3, -4, 1.5, Number.NaN]) expect(() => normalizeAxis(axis, 3)).toThrow(/outside the range/);
  });

  it('take axes of size 1', () => {
    expect(insertAxes([2, 3], [0, -1])).toEqual([1, 2, 3, 1]);
    expect(insertAxes([2, 3], [1, 2])).toEqual([2, 1, 1, 3]);
    expect(insertAxes([], [0])).toEqual([1]);
  });
});

describe('constants', () => {
  const types: [DataType, number, number[]][] = [
    ['float32', 4, [1.5, -2, 3]],
    ['float64', 8, [1.1, -2, 3]],
    ['int8', 1, [1, -2, 3]],
    ['uint8', 1, [1, 2, 255]],
    ['int16', 2, [1, -2, 3000]],
    ['uint16', 2, [1, 2, 65535]],
    ['int32', 4, [1, -2, 3]],
    ['uint32', 4, [1, 2, 2 ** 32 - 1]],
    ['int64', 8, [1, -2, 2 ** 40]],
    ['uint64', 8, [1, 2, 2 ** 40]],
    ['bool', 1, [1, 0, 1]],
  ];
  it.each(types)('of %s hold their numbers in %i bytes each', (dtype, width, values) => {
    const constant = constantOf(dtype, [3], values);
    expect(numbersOf(constant)).toEqual(values);
    expect(bytesPerElement(dtype)).toBe(width);
    expect([constant.bytes.length, byteLengthOf(constant)]).toEqual([3 * width, 3 * width]);
    const shifted = new Uint8Array(constant.bytes.length + 1);
    shifted.set(constant.bytes, 1);
    expect(numbersOf({ ...constant, bytes: shifted.subarray(1) })).toEqual(values);
  });

  it('need as many values as their shape has places, and a type that can be made', () => {
    expect(() => constantOf('float32', [2, 2], [1, 2, 3])).toThrow('a constant of shape [2,2] needs 4 values, got 3');
    for (const dtype of ['int8', 'int64', 'bool'] as const)
      expect(() => constantOf(dtype, [2], [1, 0.5])).toThrow(`a constant of type ${dtype} cannot hold 0.5`);
    expect(() => constantOf('int32', [1], [Number.NaN])).toThrow('cannot hold NaN');
    for (const dtype of ['float16', 'bfloat16'] as const)
      expect(() => constantOf(dtype, [1], [1])).toThrow(`cannot make a constant of type ${dtype}`);
    expect([bytesPerElement('float16'), bytesPerElement('bfloat16')]).toEqual([2, 2]);
  });

  it('share bytes with the array they view, and nothing around it', () => {
    const array = new Float32Array([1, 2, 3, 4]);
    const bytes = bytesOf(array.subarray(1, 3));
    const view = typedArray('float32', bytes);
    expect(view).toEqual(new Float32Array([2, 3]));
    array[1] = 9;
    expect(view[0]).toBe(9);
  });

  it('in a file are read when they are asked for', () => {
    let reads = 0;
    const place = { folder: '/f', location: 'w.bin', offset: 0, state: '' };
    const constant = constantInFile({ dtype: 'uint8', shape: [2] }, place, () => {
      reads += 1;
      return new Uint8Array([1, 2]);
    });
    expect([constant.dtype, constant.shape, constant.place, reads]).toEqual(['uint8', [2], place, 0]);
    expect(numbersOf(constant)).toEqual([1, 2]);
    expect(reads).toBe(1);
  });

  it('have gradients where they are float32 or float64', () => {
    const all = Object.keys(ONNX_DTYPE) as DataType[];
    expect(all.filter(isDifferentiable).toSorted()).toEqual(['float32', 'float64']);
  });
});

describe('attributes', () => {
  const reader = new AttributeReader(
    {
      i: int(2),
      f: float(0.5),
      s: string('a'),
      is: ints([1, 2]),
      fs: floats([0.5]),
      ss: { kind: 'strings', value: ['a', 'b'] },
      t: { kind: 'tensor', value: constantOf('int64', [1], [3]) },
    },
    () => "Conv 'c'",
  );

  it('are read by kind, with defaults where they are missing', () => {
    expect([reader.int('i', 0), reader.float('f', 0), reader.string('s', 'b')]).toEqual([2, 0.5, 'a']);
    expect([reader.int('no', 7), reader.float('no', 7), reader.string('no', 'b')]).toEqual([7, 7, 'b']);
    expect([reader.ints('is'), reader.floats('fs'), reader.tensor('t')?.dtype]).toEqual([[1, 2], [0.5], 'int64']);
    expect(reader.strings('ss')).toEqual(['a', 'b']);
    const missing = [reader.ints('no'), reader.floats('no'), reader.tensor('no'), reader.graph('no')];
    expect([...missing, reader.strings('no')]).toEqual(new Array(5).fill(undefined));
    expect([reader.has('i'), reader.has('no'), reader.all().i]).toEqual([true, false, int(2)]);
  });

  it('of another kind are refused', () => {
    const message = "Conv 'c': attribute 'i' should be float, is int";
    expect(() => reader.float('i', 0)).toThrow(new GlobalPercError(message, { code: 'invalid-model' }));
    expect(() => reader.graph('s')).toThrow("Conv 'c': attribute 's' should be graph, is string");
    const node = makeNode({ op: 'Elu', name: 'e', inputs: [], outputs: [], attributes: { alpha: int(1) } });
    expect(() => attributesOf(node).float('alpha', 1)).toThrow("Elu 'e': attribute 'alpha' should be float, is int");
  });
});

describe('errors', () => {
  it('have one line, a code and a cause', () => {
    const cause = new Error('low');
    const error = new GlobalPercError('one \n two\r\n three\nfour', { code: 'io', cause });
    expect(error).toMatchObject({ name: 'GlobalPercError', message: 'one two three four', code: 'io', cause });
    expect('cause' in new GlobalPercError('x', { code: 'io', cause: undefined })).toBe(false);
  });

  it('list some names and count the others', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    expect(listed(names)).toBe('a, b, c, d, e, f, g, h');
    expect(listed([...names, 'i', 'j'])).toBe('a, b, c, d, e, f, g, h and 2 more');
  });

  it('tell what differs', () => {
    const found = new Map([
      ['a', [1]],
      ['c', [2]],
    ] as const);
    const expected = new Map([
      ['a', [3]],
      ['b', [1]],
      ['c', [2]],
    ] as const);
    expect(differences(found, expected, 'the model')).toBe('missing: b; of another shape: a [1] instead of [3]');
    expect(differences(expected, found, 'the file')).toBe('not in the file: b; of another shape: a [3] instead of [1]');
    expect(differences(found, found, 'the model')).toBe('');
  });

  it('say what came instead', () => {
    const values = [null, undefined, 3, 'a', [1], new Map(), Promise.resolve(), () => 1, Map, function named() {}];
    expect(values.map(kindOf)).toEqual([
      ...['null', 'undefined', 'number', 'string', 'an array', 'an object of class Map'],
      ...['a promise: await it first', 'a function', 'the function Map', 'the function named'],
    ]);
    expect(kindOf(class Some {})).toBe('the class Some');
    expect(
      kindOf(function inside() {
        return class Some {};
      }),
    ).toBe('the function inside');
    expect(kindOf(Object.create(null))).toBe('an object');
    expect(kindOf(new ReLU())).toBe('an object of class ReLU');
  });

  it('name a node by operator, name, domain and module', () => {
    const parts = { op: 'Gelu', name: 'g', inputs: [], outputs: [] };
    expect(describeNode(makeNode(parts))).toBe("Gelu 'g'");
    expect(describeNode(makeNode({ ...parts, domain: 'com.microsoft', modulePath: 'a.b' }))).toBe(
      "com.microsoft.Gelu 'g' in module 'a.b'",
    );
  });
});
