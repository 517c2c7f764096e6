/** Steps whose numbers are none are refused, and what broke first is named. */
import { describe, expect, it } from 'vitest';
import { requireFinite, type StepResult, scalar } from '../../src/train/result.js';

const hook = (path: string, loss: number) => ({ path, class: 'ReLU', index: 0, loss }) as StepResult['hooks'][number];
const result = (part: Partial<StepResult>): StepResult => ({
  step: 7,
  loss: 1,
  hooks: [],
  gradNorm: 2,
  lr: 1,
  logged: {},
  ...part,
});

describe('a step', () => {
  it.each<[Partial<StepResult>, RegExp]>([
    [{ loss: Number.NaN }, /^step 7: the loss is NaN; weights and optimiser are those of step 6\./],
    [{ loss: Infinity, gradNorm: Number.NaN }, /^step 7: the loss is Infinity; weights/],
    [{ logged: { weight: 1, real: Number.NaN } }, /^step 7: real is NaN; weights/],
    [{ gradNorm: -Infinity }, /^step 7: the gradient's norm is -Infinity; weights/],
    [{ loss: Number.NaN, hooks: [hook('a', 1), hook('b', Number.NaN), hook('c', Infinity)] }, /NaN, first at .*\bb\b/],
  ])('%o is refused', (part, message) => {
    expect(() => requireFinite(result(part))).toThrow(
      expect.objectContaining({
        name: 'GlobalPercError',
        code: 'not-finite',
        message: expect.stringMatching(message),
      }),
    );
  });

  it('of finite numbers is not', () => {
    expect(() => requireFinite(result({ loss: 0, hooks: [hook('a', 1)] }))).not.toThrow();
  });
});

it('the number in a tensor, or none', () => {
  expect(scalar({ dtype: 'int64', dims: [], data: BigInt64Array.of(3n) })).toBe(3);
  expect(scalar({ dtype: 'float32', dims: [1], data: Float32Array.of(0.5) })).toBe(0.5);
  expect(scalar(undefined)).toBeNaN();
});
