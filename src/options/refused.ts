/** The errors of the checker. */
import { type ErrorDetails, GlobalPercError, kindOf, listed } from '../graph/index.js';
import { nearest } from './nearest.js';

/** The error for a value that is not what was asked for. @param details where it is no setting, its code. */
export const refused = (
  where: string,
  wanted: string,
  value: unknown,
  { code = 'invalid-option', cause }: Partial<ErrorDetails> = {},
): GlobalPercError => new GlobalPercError(`${where} should be ${wanted}, got ${shown(value)}`, { code, cause });

/** The error for a key that nobody knows. */
export function unknownKey(key: string, known: readonly string[], where: string): GlobalPercError {
  const near = nearest(key, known);
  const all = known.length > 0 ? `known are ${listed(known)}` : 'it takes none';
  const remedy = near === undefined ? all : `did you mean '${near}'?`;
  return new GlobalPercError(`${where}: '${key}' is not known; ${remedy}`, { code: 'invalid-option' });
}

/** Longer and deeper values are kindOf, not shown. */
const SHOWN_UP_TO = 60;
const DEEPEST = 3;

/** A value as a message shows it: short ones as JSON has them. */
function shown(value: unknown): string {
  const isLong = Object(value) === value && Object.keys(value as object).length > SHOWN_UP_TO;
  const text = isLong ? undefined : textOf(value, 0);
  return text !== undefined && text.length <= SHOWN_UP_TO ? text : kindOf(value);
}

/** Nothing for what JSON does not have. */
function textOf(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'bigint' || value === undefined) return String(value);
  if (depth > DEEPEST) return undefined;
  if (Array.isArray(value)) {
    return joined(
      '[',
      Array.from(value, (item) => textOf(item, depth + 1)),
      ']',
    );
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const entries = Object.entries(value).map(([key, item]) => {
    const text = textOf(item, depth + 1);
    return text && `${JSON.stringify(key)}: ${text}`;
  });
  return joined('{', entries, '}');
}

const joined = (open: string, parts: readonly (string | undefined)[], close: string): string | undefined =>
  parts.includes(undefined) ? undefined : `${open}${parts.join(', ')}${close}`;
