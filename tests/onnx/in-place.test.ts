/** Models without their large weights: what is left, where the weights are said to lie, and files that are no models. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { type Graph, typedArray } from '../../src/graph/index.js';
import { type ExternalFile, fileInMemory, leavingWeights, readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, modelBytes, tensor } from './build.js';

const MODELS = new URL('../../fixtures/data/models/', import.meta.url);
const inPlace = (bytes: Uint8Array): ExternalFile => ({
  ...fileInMemory(bytes),
  place: { folder: '/models', location: 'model.onnx', state: 'as it is' },
});
const constantsOf = ({ nodes, outputs }: Graph) =>
  new Set([...nodes.flatMap(({ inputs }) => inputs), ...outputs].filter((value) => value?.constant !== undefined));

/** The graphs of a model that is read whole, and without its large weights. */
async function both(bytes: Uint8Array): Promise<readonly [whole: Graph, without: Graph, left: Uint8Array]> {
  const left = leavingWeights(inPlace(bytes), 'model.onnx') as Uint8Array;
  const external = (location: string) => {
    expect(location).toBe('model.onnx');
    return inPlace(bytes);
  };
  const source = 'the model';
  return [
    await readOnnx(createGraph(), bytes, { source }),
    await readOnnx(createGraph(), left, { source, external }),
    left,
  ];
}

/** 64 kB and a little more, of which the bytes tell where they are. */
const large = (dataType: ElementType, bytesPerElement: number) => {
  const size = 2 ** 16 / bytesPerElement + 8;
  const bytes = Uint8Array.from({ length: size * bytesPerElement }, (_, i) => i % 61);
  return tensor('w', dataType, [size], { rawData: bytes });
};
const reading = (weight: ReturnType<typeof tensor>) =>
  modelBytes({
    inputs: [input('x', [1])],
    nodes: [
      ['Cast', ['w'], ['wide'], { to: ElementType.FLOAT }],
      ['Add', ['x', 'wide'], ['y']],
    ],
    initializers: [floatTensor('first', [1], [1]), weight, floatTensor('last', [3], [1, 2, 3])],
  });

describe('a model without its large weights', () => {
  it.each(readdirSync(MODELS).filter((name) => name.endsWith('.onnx')))('%s is the same', async (name) => {
    const bytes = Uint8Array.from(readFileSync(new URL(name, MODELS)));
    const [whole, without] = await both(bytes);
    const described = ({ nodes }: Graph) =>
      nodes.map(({ op, name, inputs, attributes }) => [op, name, inputs.map((each) => each?.name), attributes]);
    expect(described(without)).toEqual(described(whole));
    const constants = [...constantsOf(without)];
    for (const [i, value] of [...constantsOf(whole)].entries()) {
      expect(constants[i]?.name).toBe(value?.name);
      const same = Buffer.compare(constants[i]?.constant?.bytes as Uint8Array, value?.constant?.bytes as Uint8Array);
      expect(same, value?.name).toBe(0);
      expect(constants[i]?.constant).toMatchObject({ dtype: value?.constant?.dtype, shape: value?.constant?.shape });
    }
  });

  it.each([
    ['FLOAT', 4, true],
    ['DOUBLE', 8, true],
    ['INT64', 8, true],
    ['UINT8', 1, true],
    // Their bytes become others, which would be made again and again.
    ['FLOAT16', 2, false],
    ['BFLOAT16', 2, false],
  ] as const)('leaves %s in the file: %#', async (dtype, bytesPerElement, stays) => {
    const bytes = reading(large(ElementType[dtype], bytesPerElement));
    const [whole, without, left] = await both(bytes);
    expect(left.length < 2 ** 16).toBe(stays);
    const [ours, theirs] = [without, whole].map((graph) => graph.nodes[0]?.inputs[0]?.constant);
    expect(ours?.place !== undefined).toBe(stays);
    expect(ours?.bytes).toEqual(Uint8Array.from(theirs?.bytes as Uint8Array));
    if (ours?.place) expect(bytes.subarray(ours.place.offset, ours.place.offset + 61)).toEqual(ours.bytes.slice(0, 61));
  });

  it('keeps what is small, or in an attribute', async () => {
    const value = floatTensor('', [2 ** 15], new Array(2 ** 15).fill(0.5));
    const bytes = modelBytes({
      inputs: [input('x', [1])],
      nodes: [
        ['Constant', [], ['c'], { value }],
        ['Add', ['x', 'c'], ['y']],
      ],
    });
    const [, without, left] = await both(bytes);
    expect(left).toEqual(bytes);
    const [read] = without.nodes[0]?.inputs.flatMap((each) => (each?.constant ? [each.constant] : [])) ?? [];
    expect(typedArray('float32', read?.bytes as Uint8Array)[7]).toBe(0.5);
  });
});

describe('what is no model', () => {
  const bytes = reading(large(ElementType.FLOAT, 4));

  it('is left to the reader of whole files', () => {
    const refused = ['{"a": 1}'.repeat(9000), '<!doctype html>', '\x00\x00\x00'];
    for (const text of refused) expect(leavingWeights(inPlace(Buffer.from(text)), 'm.onnx'), text).toBeUndefined();
    for (const end of [1, 20, 60, 2 ** 15, bytes.length - 1])
      expect(leavingWeights(inPlace(bytes.subarray(0, end)), 'm.onnx'), `${end}`).toBeUndefined();
  });

  it('never fails otherwise', () => {
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, byte] of changes) damaged[at < bytes.length / 2 ? at % 200 : at] = byte;
        const left = leavingWeights(inPlace(damaged), 'm.onnx');
        expect(left === undefined || left.length <= damaged.length + 200).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('says what cannot be read', () => {
    const read = () => {
      throw new Error('the disk is gone');
    };
    expect(() => leavingWeights({ ...inPlace(bytes), read }, 'm.onnx')).toThrow('the disk is gone');
  });
});
