/** diffusers' configuration files as options. */
import { GlobalPercError } from '../graph/index.js';
import { type Check, type Checks, checkOptions, isObject, refused } from '../options/index.js';

/** What a class leaves out, by its key in the file, with the values that mean it is off; the first is the default. */
export type Off = Readonly<Record<string, readonly unknown[]>>;

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/**
 * The options that a class takes of a config. Keys that it does not read are passed over, as diffusers does.
 * @param where names the class and the file, for messages.
 * @throws GlobalPercError for what is no config, has a value that is not known, or turns on what is left out.
 */
export function optionsOf<Options extends object>(
  config: unknown,
  checks: Checks<Options>,
  off: Off,
  where: string,
): Options {
  if (!isObject(config)) throw refused(where, 'the parsed content of its configuration file', config);
  for (const [key, values] of Object.entries(off)) {
    const value = config[key] ?? values[0] ?? null;
    if (values.some((allowed) => JSON.stringify(allowed ?? null) === JSON.stringify(value))) continue;
    throw new GlobalPercError(
      `${where}: ${key} ${JSON.stringify(value)} is not offered; expected ${JSON.stringify(values[0] ?? null)}`,
      { code: 'invalid-option' },
    );
  }
  const known = Object.entries(config)
    .map(([key, value]) => [camelCase(key), value ?? undefined] as const)
    .filter(([key]) => Object.hasOwn(checks, key));
  return checkOptions(Object.fromEntries(known), checks, where);
}

/** One value for all, or a list of one each; given back as it came. */
export const oneOrEach =
  <T>(check: Check<T>): Check<T | readonly T[]> =>
  (value, where) =>
    Array.isArray(value) ? value.map((item, i) => check(item, `${where}[${i}]`)) : check(value, where);

/** The value for each of `count`. @throws GlobalPercError when a list has another length. */
export function each<T>(value: T | readonly T[], count: number, where: string): readonly T[] {
  if (!Array.isArray(value)) return Array.from({ length: count }, () => value as T);
  if (value.length === count) return value as readonly T[];
  throw new GlobalPercError(`${where} should have ${count} values, one for each block, got ${value.length}`, {
    code: 'invalid-option',
  });
}
