/** What adapters add to an error about an image of another layout. */
import { describe, expect, it } from 'vitest';
import { hasColoursOn, withLayoutRemedy } from '../../src/adapters/remedy.js';
import { GlobalPercError } from '../../src/index.js';

describe('colours', () => {
  it.each([
    [[1, 32, 32, 3], true],
    [[1, 5, 32, 4], true],
    [[1, 4, 32, 3], false],
    [[1, 3, 32, 32], false],
    [[1, 32, 32, 5], false],
    [[32, 32, 3], false],
  ])('of %j are on the last axis rather than on the second: %s', (shape, expected) => {
    expect(hasColoursOn(3, 1, shape)).toBe(expected);
  });
});

describe('a remedy', () => {
  const about = (message: string) => new GlobalPercError(message, { code: 'invalid-model' });

  it('is the first there is, behind the error that it helps against, whose code it keeps', () => {
    const error = about('pred has shape [1, 2]');
    const helped = withLayoutRemedy(error, [undefined, 'turn it', 'leave it']) as GlobalPercError;
    expect([helped.message, helped.code, helped.cause]).toEqual([
      'pred has shape [1, 2]; turn it',
      'invalid-model',
      error,
    ]);
  });

  it.each([
    ['an error that tells of no shape', about('disposed'), ['turn it']],
    ['an error without a remedy', about('shape [1]'), [undefined]],
    ['an error of somebody else', new Error('shape [1]'), ['turn it']],
  ])('leaves %s as it is', (_what, error, remedies) => {
    expect(withLayoutRemedy(error, remedies)).toBe(error);
  });
});
