/**
 * One checker for everything a caller hands in by name: constructor options, call options, JSON. A check takes a value and
 * gives it back as what it is – or as what it stands for, which makes the same tables read configuration files.
 */
import { described, GlobalPercError, listed } from '../graph/index.js';

/** Checks one value. @param where names it in messages, e.g. `AdamW: lr`. @throws GlobalPercError when it does not fit. */
export type Check<T> = (value: unknown, where: string) => T;

/** A check per key. A key whose value is `undefined` counts as left out, unless its check is `required`. */
export type Checks<Options> = { readonly [Key in keyof Options]-?: Check<Exclude<Options[Key], undefined>> };

const REQUIRED = Symbol('required');

/**
 * Options by name.
 * @throws GlobalPercError on an unknown key, naming the nearest one, on a required key that is missing, and on a value
 * that its check refuses.
 */
export function checkOptions<Options extends object>(given: unknown, checks: Checks<Options>, where: string): Options {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw refused(where, 'an object of options', given);
  }
  const known = Object.keys(checks);
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(checks, key));
  if (unknown !== undefined) throw unknownKey(unknown, known, where);
  const values = given as Readonly<Record<string, unknown>>;
  const result: Record<string, unknown> = {};
  for (const [key, check] of Object.entries<Check<unknown>>(checks)) {
    if (values[key] !== undefined) result[key] = check(values[key], `${where}: ${key}`);
    else if (REQUIRED in check) {
      throw new GlobalPercError(`${where}: '${key}' is missing`, { code: 'invalid-option' });
    }
  }
  return result as Options;
}

/** A key that must be there. */
export const required = <T>(check: Check<T>): Check<T> =>
  Object.assign((value: unknown, where: string) => check(value, where), { [REQUIRED]: true });

/** A finite number, from `least` on and up to `most`. */
export const number =
  ({ least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = {}): Check<number> =>
  (value, where) => {
    if (typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most) return value;
    throw refused(where, `a number${range(least, most)}`, value);
  };

/** A number above 0. */
export const positive: Check<number> = (value, where) => {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw refused(where, 'a number above 0', value);
};

/** An integer, from `least` on. */
export const integer =
  (least = Number.NEGATIVE_INFINITY): Check<number> =>
  (value, where) => {
    if (Number.isInteger(value) && (value as number) >= least) return value as number;
    throw refused(where, `an integer${range(least, Number.POSITIVE_INFINITY)}`, value);
  };

/** An integer from 1 on. */
export const count: Check<number> = integer(1);

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
      return value.map((element, i) => check(element, `${where}[${i}]`));
    }
    throw refused(where, length === undefined ? 'a list' : `a list of ${length}`, value);
  };

/** An instance of a class. @param remedy what to pass, e.g. `await loadModel(source)`. */
export const instanceOf =
  <T>(Class: abstract new (...args: never[]) => T, remedy?: string): Check<T> =>
  (value, where) => {
    if (value instanceof Class) return value;
    throw refused(where, remedy ?? `a ${Class.name}`, value);
  };

/** Whatever passes the test. @param wanted the sort of value, for the message. */
export const matching =
  <T>(test: (value: unknown) => value is T, wanted: string): Check<T> =>
  (value, where) => {
    if (test(value)) return value;
    throw refused(where, wanted, value);
  };

export const callback: Check<(...args: never[]) => unknown> = matching(
  (value): value is (...args: never[]) => unknown => typeof value === 'function',
  'a function',
);

/** The error for a value that is not what was asked for. */
export const refused = (where: string, wanted: string, value: unknown): GlobalPercError =>
  new GlobalPercError(`${where} should be ${wanted}, got ${shown(value)}`, { code: 'invalid-option' });

/** The error for a key that nobody knows. */
export function unknownKey(key: string, known: readonly string[], where: string): GlobalPercError {
  const near = nearest(key, known);
  const remedy = near === undefined ? `known are ${listed(known) || 'none'}` : `did you mean '${near}'?`;
  return new GlobalPercError(`${where}: '${key}' is not known; ${remedy}`, { code: 'invalid-option' });
}

/** A value as a message shows it: short ones as they are. */
function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint' || value === undefined) return String(value);
  const isPlain = typeof value === 'string' || typeof value === 'boolean' || Array.isArray(value);
  const text = isPlain ? (JSON.stringify(value) ?? '') : '';
  return isPlain && text.length <= 60 ? text : described(value);
}

const range = (least: number, most: number): string => {
  if (least === Number.NEGATIVE_INFINITY) return most === Number.POSITIVE_INFINITY ? '' : ` up to ${most}`;
  return most === Number.POSITIVE_INFINITY ? ` from ${least} on` : ` from ${least} to ${most}`;
};

/** The known name that is written most like the given one, if any is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((other) => [other, distance(name.toLowerCase(), other.toLowerCase())] as const)
    .sort(([, a], [, b]) => a - b);
  const [best] = ranked;
  return best && best[1] <= Math.max(2, Math.floor(name.length / 3)) ? best[0] : undefined;
}

/** Levenshtein's: how many letters must be inserted, dropped or replaced. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
