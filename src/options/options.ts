/** Options by name. */
import { GlobalPercError } from '../graph/index.js';
import { type Check, isObject } from './checks.js';
import { refused, unknownKey } from './refused.js';

/** A check per key. A key whose value is `undefined` counts as left out, unless its check is `required`. */
export type Checks<Options> = { readonly [Key in keyof Options]-?: Check<Exclude<Options[Key], undefined>> };

const REQUIRED = Symbol('required');

/**
 * Options by name.
 * @throws GlobalPercError on an unknown key, naming the nearest one, on a required key that is missing, and on a value
 * that its check refuses.
 */
export function checkOptions<Options extends object>(given: unknown, checks: Checks<Options>, where: string): Options {
  if (!isObject(given)) throw refused(where, 'an object of options', given);
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(checks, key));
  if (unknown !== undefined) throw unknownKey(unknown, Object.keys(checks), where);
  const result: Record<string, unknown> = {};
  for (const [key, check] of Object.entries<Check<unknown>>(checks)) {
    if (given[key] !== undefined) result[key] = check(given[key], `${where}: ${key}`);
    else if (REQUIRED in check) {
      throw new GlobalPercError(`${where}: '${key}' is missing`, { code: 'invalid-option' });
    }
  }
  return result as Options;
}

/** A key that must be there. */
export const required = <T>(check: Check<T>): Check<T> =>
  Object.assign((value: unknown, where: string) => check(value, where), { [REQUIRED]: true });
