/** How JSON names things: the checks that make objects of it. */
import { GlobalPercError } from '../graph/index.js';
import { type Check, isObject } from './checks.js';
import { type Checks, checkOptions } from './options.js';
import { refused, unknownKey } from './refused.js';

/** One of several things by name: `{ "resize": 256 }`, or `"resize"` alone, where it needs nothing more. */
export const choice =
  <T>(choices: Readonly<Record<string, Check<T>>>): Check<T> =>
  (value, where) => {
    const names = Object.keys(choices);
    const entries =
      typeof value === 'string' ? [[value, undefined] as const] : isObject(value) ? Object.entries(value) : [];
    const [entry, ...more] = entries;
    if (entry === undefined || more.length > 0) {
      throw refused(where, `a name or an object with one key, of ${names.join(', ')}`, value);
    }
    const [name, argument] = entry;
    if (!Object.hasOwn(choices, name)) throw unknownKey(name, names, where);
    return (choices[name] as Check<T>)(argument, `${where}: ${name}`);
  };

/** What an object of options stands for; left out, it has none. */
export const made =
  <Options extends object, T>(checks: Checks<Options>, make: (options: Options) => T): Check<T> =>
  (value = {}, where) => {
    const options = checkOptions<Options>(value, checks, where);
    return within(where, () => make(options));
  };

/** `504` in the place of `{ "size": 504 }`. */
export const withArgument =
  <T>(key: string, check: Check<T>): Check<T> =>
  (value, where) =>
    check(isObject(value) ? value : { [key]: value }, where);

/** Does what may fail; an error of this library then begins with the place. */
export function within<T>(where: string, task: () => T): T {
  try {
    return task();
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    throw new GlobalPercError(`${where}: ${error.message}`, { code: error.code, cause: error });
  }
}
