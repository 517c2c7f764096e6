/** Weights of any type in a file become what a module holds, as PyTorch's copy_ does it. */
import { describe, expect, it } from 'vitest';
import { parseSafetensors, type SafeTensor } from '../../src/data/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { converted, type StoredTensor } from '../../src/nn/conversion.js';
import { BatchNorm2d, Linear, type Module } from '../../src/nn/index.js';
import { bytesAt } from '../data/checkpoints.js';

const { tensors } = parseSafetensors(bytesAt('conversions.safetensors'), 'conversions.safetensors');

const conversions = Array.from(tensors).flatMap(([key, expected]) => {
  const target = /^(.*)\.(float32|int64)$/.exec(key);
  return target ? [{ from: target[1] as string, to: target[2] as 'float32' | 'int64', expected }] : [];
});

it('there are conversions of every type', () => {
  expect(new Set(conversions.map(({ from }) => tensors.get(from)?.dtype)).size).toBe(13);
});

describe('as PyTorch', () => {
  it.each(conversions)('$from to $to', ({ from, to, expected }) => {
    expect(converted(tensors.get(from) as SafeTensor, to, from)).toEqual(expected.data);
  });
});

it('gives a copy', () => {
  const data = Float32Array.of(1, 2);
  const copy = converted({ dtype: 'float32', dims: [2], data }, 'float32', 'x');
  expect(copy).toEqual(data);
  expect(copy.buffer).not.toBe(data.buffer);
});

const stored = (module: Module): Record<string, StoredTensor> => ({ ...module.stateDict() });

it('a module converts what it loads', () => {
  const net = new Linear(2, 1);
  const half: StoredTensor = { dtype: 'float16', dims: [1, 2], data: Uint16Array.of(0x3c00, 0xc000) };
  net.loadStateDict({ ...stored(net), weight: half });
  expect(net.weight.data).toEqual(Float32Array.of(1, -2));
});

it.each([NaN, Infinity, 2 ** 63])('%d is no integer for a buffer: it is named, and nothing is changed', (value) => {
  const net = new BatchNorm2d(1);
  const before = net.stateDict();
  const state = { ...stored(net), weight: { dtype: 'float32', dims: [1], data: Float32Array.of(7) } } as const;
  const load = (): unknown =>
    net.loadStateDict({ ...state, num_batches_tracked: { dtype: 'float64', dims: [], data: Float64Array.of(value) } });
  expect(load).toThrow(GlobalPercError);
  expect(load).toThrow(`'num_batches_tracked' should hold integers of 64 bits, but one element is ${value}`);
  expect(net.stateDict()).toEqual(before);
});

describe('what is no state dict is refused, and nothing is changed', () => {
  const bias = { dtype: 'float32', dims: [1], data: Float32Array.of(1) };
  const weight = { dtype: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) };

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /state should be tensors by name, such as await readStateDict\(path\), got undefined/],
    ['a promise of one', Promise.resolve({ weight, bias }), /state should be tensors by name/],
    ['a Map', new Map(Object.entries({ weight, bias })), /state should be tensors by name/],
    ['a list', [weight, bias], /state should be tensors by name/],
    ['numbers', { weight: 1, bias: 2 }, /state\.weight should be a tensor \{ dtype, dims, data \}.*got 1/],
    ['arrays alone', { weight: weight.data, bias: bias.data }, /state\.weight should be a tensor/],
    ['a tensor without data', { weight: { dtype: 'float32', dims: [1, 2] }, bias }, /state\.weight should be a tensor/],
    ['data of another length', { weight: { ...weight, data: bias.data }, bias }, /as many elements as dims say/],
    ['a type that there is not', { weight, bias: { ...bias, dtype: 'float' } }, /state\.bias should be a tensor/],
  ])('%s', (_what, state, message) => {
    const module = new Linear(2, 1);
    const before = module.stateDict();
    expect(() => module.loadStateDict(state as Record<string, StoredTensor>)).toThrow(GlobalPercError);
    expect(() => module.loadStateDict(state as Record<string, StoredTensor>)).toThrow(message);
    expect(module.stateDict()).toEqual(before);
  });
});
