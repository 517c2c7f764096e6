/** Checks of single values. */
import type { Shape } from '../graph/index.js';
import { refused } from './refused.js';

/** Checks one value. @param where names it in messages, e.g. `AdamW: lr`. @throws GlobalPercError when it does not fit. */
export type Check<T> = (value: unknown, where: string) => T;

/** Limits of a number: `least` and `most` are allowed themselves, `above` and `below` are not. */
interface Limits {
  readonly least?: number;
  readonly most?: number;
  readonly above?: number;
  readonly below?: number;
}

/** A finite number within limits. */
export const number =
  (limits: Limits = {}): Check<number> =>
  (value, where) => {
    if (typeof value === 'number' && Number.isFinite(value) && fits(value, limits)) return value;
    throw refused(where, `a number${range(limits)}`, value);
  };

/** A number above 0. */
export const positive: Check<number> = number({ above: 0 });

/** A number of bytes, or as text with a unit: `'1GB'`, `'900MB'`, `'512kB'`; a kB is 1024 bytes. */
export type MemorySize = number | `${number}${'kB' | 'MB' | 'GB'}`;

const UNITS: Readonly<Record<string, number>> = { kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 };

/** Bytes, from a `MemorySize`. */
export const byteCount: Check<number> = (value, where) => {
  const [, digits, unit = ''] = (typeof value === 'string' && /^(\d+(?:\.\d+)?) ?([kmg]b)$/i.exec(value)) || [];
  const bytes = digits === undefined ? value : Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] as number));
  if (typeof bytes === 'number' && Number.isFinite(bytes) && bytes >= 1) return bytes;
  throw refused(where, "a size such as '1GB' or '900MB', or a number of bytes", value);
};

/** An integer that a number holds exactly, from `least` to `most`. */
export const integer =
  (least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY): Check<number> =>
  (value, where) => {
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    const allowed = Number.isFinite(most) ? range({ least, most }) : Number.isFinite(least) ? range({ least }) : '';
    throw refused(where, `an integer${allowed}`, value);
  };

/** An integer from 1 on. */
export const count: Check<number> = integer(1);

/** How often a network repeats a part. The end is far beyond any: a damaged number would fill the memory with modules, which ends the process. */
export const repeats: Check<number> = integer(1, 1000);

export const boolean: Check<boolean> = (value, where) => {
  if (typeof value === 'boolean') return value;
  throw refused(where, 'true or false', value);
};

export const string: Check<string> = (value, where) => {
  if (typeof value === 'string') return value;
  throw refused(where, 'a string', value);
};

/** One of some names. */
export const oneOf =
  <const T extends string>(...allowed: readonly T[]): Check<T> =>
  (value, where) => {
    const found = allowed.find((name) => name === value);
    if (found !== undefined) return found;
    throw refused(where, `one of ${allowed.join(', ')}`, value);
  };

/** A list whose elements all pass; of `length` elements, where that is given. */
export const listOf =
  <T>(check: Check<T>, length?: number): Check<readonly T[]> =>
  (value, where) => {
    if (Array.isArray(value) && (length === undefined || value.length === length)) {
      // Array.from, since map passes over holes.
      return Array.from(value, (element, i) => check(element, `${where}[${i}]`));
    }
    throw refused(where, length === undefined ? 'a list' : `a list of ${length}`, value);
  };

/** A list of two. */
export const pairOf =
  <T>(check: Check<T>): Check<readonly [T, T]> =>
  (value, where) =>
    listOf(check, 2)(value, where) as readonly [T, T];

/** Dimensions of a tensor: positive integers. @param example shown in messages, e.g. `[8, 3, 128, 128]`. */
export const shape =
  (example: string): Check<Shape> =>
  (value, where) => {
    const isShape = Array.isArray(value) && Array.from(value).every((dim) => Number.isSafeInteger(dim) && dim > 0);
    if (isShape) return [...value];
    throw refused(where, `a shape such as ${example}`, value);
  };

/** An object of any names whose values all pass. */
export const recordOf =
  <T>(check: Check<T>, wanted = 'an object of values by name'): Check<Readonly<Record<string, T>>> =>
  (value, where) => {
    if (!isObject(value)) throw refused(where, wanted, value);
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, check(item, `${where}.${name}`)]));
  };

/** An instance of a class. @param remedy what to pass, e.g. `await loadModel(source)`. */
export const instanceOf =
  <T>(Class: abstract new (...args: never[]) => T, remedy?: string): Check<T> =>
  (value, where) => {
    if (value instanceof Class) return value;
    throw refused(where, remedy ?? `a ${Class.name}`, value);
  };

/** What stops a call that has not begun. */
export const abortSignal = instanceOf(AbortSignal, 'the signal of an AbortController');

/** Whatever passes the test. @param wanted the sort of value, for the message. */
export const matching =
  <T>(test: (value: unknown) => value is T, wanted: string): Check<T> =>
  (value, where) => {
    if (test(value)) return value;
    throw refused(where, wanted, value);
  };

/** Any value: what is inside is checked where it is used. */
export const anything = <T>(value: unknown): T => value as T;

/** An object or function that has some methods: interfaces that users may implement are known by them. */
export const withMethods = <T>(wanted: string, ...methods: readonly (keyof T & string)[]): Check<T> =>
  matching(
    (value): value is T =>
      methods.every((name) => typeof Object(value)[name] === 'function') && Object(value) === value,
    wanted,
  );

/** A function; what it takes and gives shows when it is called. */
export function callback<T extends (...args: never[]) => unknown>(value: unknown, where: string): T {
  if (typeof value === 'function') return value as T;
  throw refused(where, 'a function', value);
}

/** A pattern: a RegExp, or its text as JSON has it. */
export const regExp: Check<RegExp> = (value, where) => {
  if (value instanceof RegExp) return value;
  if (typeof value !== 'string') throw refused(where, 'a pattern', value);
  try {
    return new RegExp(value);
  } catch (error) {
    throw refused(where, `a valid regular expression (${(error as Error).message})`, value, { cause: error });
  }
};

/** An object with keys of its own, not a list. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fits = (value: number, { least, most, above, below }: Limits): boolean =>
  !(
    (least !== undefined && value < least) ||
    (most !== undefined && value > most) ||
    (above !== undefined && value <= above) ||
    (below !== undefined && value >= below)
  );

/** ` from 0 on`, ` from 0 to 1`, ` above 0 and below 1`. */
function range({ least, most, above, below }: Limits): string {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  const parts = [
    ...(least === undefined ? [] : [`from ${least} on`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(most === undefined ? [] : [`up to ${most}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ];
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`;
}
