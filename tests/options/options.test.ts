/** The checker itself: what passes, and the words of what does not. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import {
  anything,
  boolean,
  type Check,
  callback,
  checkOptions,
  choice,
  count,
  instanceOf,
  integer,
  listOf,
  made,
  matching,
  nearest,
  number,
  oneOf,
  pairOf,
  positive,
  recordOf,
  refused,
  regExp,
  required,
  shape,
  string,
  unknownKey,
  withArgument,
  within,
  withMethods,
} from '../../src/options/index.js';

function errorOf(task: () => unknown): GlobalPercError {
  try {
    task();
  } catch (error) {
    if (error instanceof GlobalPercError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const messageOf = (task: () => unknown): string => errorOf(task).message;

describe('checks', () => {
  const fraction = number({ least: 0, below: 1 });
  const passing: [string, Check<unknown>, unknown[]][] = [
    ['number', number(), [0, -1.5, 1e300]],
    ['number from 0 to 1', number({ least: 0, most: 1 }), [0, 0.5, 1]],
    ['number from 0 on and below 1', fraction, [0, 0.999]],
    ['number above 0', positive, [Number.MIN_VALUE, 3]],
    ['integer', integer(), [-3, 0, Number.MAX_SAFE_INTEGER]],
    ['integer from 2 on', integer(2), [2, 3]],
    ['count', count, [1, 7]],
    ['boolean', boolean, [true, false]],
    ['string', string, ['', 'a']],
    ['one of', oneOf('a', 'b'), ['a', 'b']],
    ['list', listOf(count), [[], [1, 2]]],
    ['list of 2', listOf(count, 2), [[1, 2]]],
    ['pair', pairOf(fraction), [[0, 0.5]]],
    ['shape', shape('[1]'), [[], [1, 3, 8, 8]]],
    ['record', recordOf(count), [{}, { a: 1 }]],
    ['instance', instanceOf(Map), [new Map()]],
    ['methods', withMethods<{ get(): void }>('a thing', 'get'), [new Map(), { get: () => 1 }]],
    ['methods of a function', withMethods<{ call(): void }>('a thing', 'call'), [() => 1]],
    ['matching', matching((value): value is 3 => value === 3, 'three'), [3]],
    ['function', callback, [() => 1, Map]],
    ['anything', anything, [undefined, null, 3]],
  ];
  it.each(passing)('%s gives back what passes', (_name, check, values) => {
    for (const value of values) expect(check(value, 'here')).toEqual(value);
  });

  const failing: [Check<unknown>, unknown, string][] = [
    [number(), Number.NaN, 'a number, got NaN'],
    [number(), Number.POSITIVE_INFINITY, 'a number, got Infinity'],
    [number(), '3', 'a number, got "3"'],
    [number(), 3n, 'a number, got 3'],
    [number(), undefined, 'a number, got undefined'],
    [number({ least: 0, most: 1 }), 1.1, 'a number from 0 to 1, got 1.1'],
    [number({ least: 0, most: 1 }), -0.1, 'a number from 0 to 1, got -0.1'],
    [number({ most: 1 }), 2, 'a number up to 1, got 2'],
    [fraction, 1, 'a number from 0 on and below 1, got 1'],
    [number({ above: 0, most: 1 }), 0, 'a number above 0 and up to 1, got 0'],
    [positive, 0, 'a number above 0, got 0'],
    [integer(), 0.5, 'an integer, got 0.5'],
    [integer(), 2 ** 53, 'an integer, got 9007199254740992'],
    [integer(2), 1, 'an integer from 2 on, got 1'],
    [count, 0, 'an integer from 1 on, got 0'],
    [boolean, 'true', 'true or false, got "true"'],
    [string, 3, 'a string, got 3'],
    [oneOf('a', 'b'), 'c', 'one of a, b, got "c"'],
    [listOf(count), 'ab', 'a list, got "ab"'],
    [listOf(count, 2), [1], 'a list of 2, got [1]'],
    [pairOf(count), [1, 2, 3], 'a list of 2, got [1, 2, 3]'],
    [shape('[1, 3]'), [1, 0], 'a shape such as [1, 3], got [1, 0]'],
    [shape('[1, 3]'), [1, 'x'], 'a shape such as [1, 3], got [1, "x"]'],
    [recordOf(count), [1], 'an object of values by name, got [1]'],
    [instanceOf(Map), {}, 'a Map, got {}'],
    [instanceOf(Map, 'await map()'), Promise.resolve(), 'await map(), got a promise: await it first'],
    [withMethods<{ get(): void }>('a thing', 'get'), { get: 3 }, 'a thing, got {"get": 3}'],
    [callback, 'f', 'a function, got "f"'],
    [regExp, 3, 'a pattern, got 3'],
  ];
  it.each(failing)('%#', (check, value, words) => {
    const error = errorOf(() => check(value, 'Here: it'));
    expect(error.message).toBe(`Here: it should be ${words}`);
    expect(error.code).toBe('invalid-option');
  });

  it('names the place inside lists and objects', () => {
    expect(messageOf(() => listOf(listOf(count))([[1], [2, 'x']], 'it'))).toMatch(/^it\[1\]\[1\] should be/);
    expect(messageOf(() => recordOf(count)({ a: 1, b: 0 }, 'it'))).toMatch(/^it\.b should be/);
  });

  it('sees the holes of a list', () => {
    expect(messageOf(() => listOf(count)(new Array(2), 'it'))).toBe(
      'it[0] should be an integer from 1 on, got undefined',
    );
    expect(() => shape('[1]')(new Array(2), 'it')).toThrow(GlobalPercError);
  });

  it('patterns are RegExps or their text; the cause of a wrong one is kept', () => {
    expect(regExp(/a/i, 'it')).toEqual(/a/i);
    expect(regExp('^a$', 'it')).toEqual(/^a$/);
    const error = errorOf(() => regExp('(', 'groups[0]: parameters'));
    expect(error.message).toMatch(/^groups\[0\]: parameters should be a valid regular expression \(.*\), got "\("$/);
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });
});

describe('options', () => {
  interface Options {
    readonly size: number;
    readonly fill?: number;
  }
  const CHECKS = { size: required(count), fill: number() };

  it('gives back those that were given', () => {
    expect(checkOptions<Options>({ size: 3, fill: undefined }, CHECKS, 'Pad')).toEqual({ size: 3 });
    expect(checkOptions<Options>({ size: 3, fill: 0 }, CHECKS, 'Pad')).toEqual({ size: 3, fill: 0 });
  });

  it.each([
    [undefined, 'Pad should be an object of options, got undefined'],
    [null, 'Pad should be an object of options, got null'],
    [3, 'Pad should be an object of options, got 3'],
    [[3], 'Pad should be an object of options, got [3]'],
    [() => 1, 'Pad should be an object of options, got a function'],
    [{}, "Pad: 'size' is missing"],
    [{ size: undefined }, "Pad: 'size' is missing"],
    [{ size: null }, 'Pad: size should be an integer from 1 on, got null'],
    [{ size: 1, fil: 3 }, "Pad: 'fil' is not known; did you mean 'fill'?"],
    [{ size: 1, toString: 3 }, "Pad: 'toString' is not known; known are size, fill"],
  ])('%o', (given, message) => {
    const error = errorOf(() => checkOptions<Options>(given, CHECKS, 'Pad'));
    expect(error.message).toBe(message);
    expect(error.code).toBe('invalid-option');
  });
});

describe('JSON', () => {
  interface Options {
    readonly size: number;
  }
  const sized: Check<string> = withArgument(
    'size',
    made<Options, string>({ size: required(count) }, ({ size }) => `${size}`),
  );
  const things = choice({ sized, none: made({}, () => 'none') });

  it.each([
    [{ sized: 3 }, '3'],
    [{ sized: { size: 4 } }, '4'],
    ['none', 'none'],
    [{ none: {} }, 'none'],
  ])('%j', (json, expected) => {
    expect(things(json, 'thing')).toBe(expected);
  });

  it.each([
    ['sized', "thing: sized: 'size' is missing"],
    [{ sized: null }, 'thing: sized: size should be an integer from 1 on, got null'],
    [{ sized: { size: 1, sise: 2 } }, "thing: sized: 'sise' is not known; did you mean 'size'?"],
    [{ none: { size: 1 } }, "thing: none: 'size' is not known; it takes none"],
    [{ size: 3 }, "thing: 'size' is not known; did you mean 'sized'?"],
    ['constructor', "thing: 'constructor' is not known; known are sized, none"],
    [
      { sized: 1, none: {} },
      'thing should be a name or an object with one key, of sized, none, got {"sized": 1, "none": {}}',
    ],
    [{}, 'thing should be a name or an object with one key, of sized, none, got {}'],
    [null, 'thing should be a name or an object with one key, of sized, none, got null'],
  ])('%j', (json, message) => {
    expect(messageOf(() => things(json, 'thing'))).toBe(message);
  });

  it('an error from making it says where, and keeps code and cause', () => {
    const inner = new GlobalPercError('no', { code: 'io' });
    const error = errorOf(() =>
      made({}, () => {
        throw inner;
      })({}, 'thing'),
    );
    expect(error).toMatchObject({ message: 'thing: no', code: 'io', cause: inner });
    const defect = new TypeError('defect');
    expect(() =>
      within('thing', () => {
        throw defect;
      }),
    ).toThrow(defect);
  });
});

describe('words', () => {
  it.each([
    ['acumulate', ['accumulate', 'ema'], 'accumulate'],
    ['wieghtDecay', ['lr', 'weightDecay'], 'weightDecay'],
    ['weight_decay', ['lr', 'weightDecay'], 'weightDecay'],
    ['learningRate', ['betas', 'lr'], 'lr'],
    ['learning_rate', ['betas', 'lr'], 'lr'],
    ['epsilon', ['betas', 'eps'], 'eps'],
    ['params', ['lr', 'parameters'], 'parameters'],
    ['etaMni', ['tMax', 'etaMin'], 'etaMin'],
    ['LR', ['lr'], 'lr'],
    ['clipGrad', ['clipGradNorm', 'ema'], 'clipGradNorm'],
    ['l3', ['mse', 'l1'], 'l1'],
    ['lion', ['sgd', 'adam', 'adamW'], undefined],
    ['momentum', ['lr', 'weightDecay'], undefined],
    ['x', [], undefined],
  ])('nearest to %s', (name, known, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });

  it('a key that nobody knows', () => {
    expect(unknownKey('a', ['bcdef', 'ghijk'], 'Here')).toMatchObject({
      message: "Here: 'a' is not known; known are bcdef, ghijk",
      code: 'invalid-option',
    });
    expect(unknownKey('a', [], 'Here').message).toBe("Here: 'a' is not known; it takes none");
  });

  it.each([
    ['text', '"text"'],
    ['x'.repeat(80), 'string'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [-0.5, '-0.5'],
    [4n, '4'],
    [[1, [2, 'a']], '[1, [2, "a"]]'],
    [new Array(100).fill(0), 'an array'],
    [{ a: { b: [1] } }, '{"a": {"b": [1]}}'],
    [{ a: new Map() }, 'an object of class Object'],
    [new Float32Array(3), 'an object of class Float32Array'],
    [() => 1, 'a function'],
    [Symbol('a'), 'symbol'],
    [Promise.resolve(), 'a promise: await it first'],
  ])('%#: a value is shown as %s', (value, shown) => {
    expect(refused('it', 'other', value).message).toBe(`it should be other, got ${shown}`);
  });

  it('an object in a circle is described', () => {
    const circle: { self?: object } = {};
    circle.self = circle;
    expect(refused('it', 'other', circle).message).toBe('it should be other, got an object of class Object');
  });
});
