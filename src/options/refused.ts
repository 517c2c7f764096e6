/** The errors of the checker. */
import { described, GlobalPercError, listed } from '../graph/index.js';
import { nearest } from './nearest.js';

/** The error for a value that is not what was asked for. */
export const refused = (where: string, wanted: string, value: unknown, cause?: unknown): GlobalPercError =>
  new GlobalPercError(`${where} should be ${wanted}, got ${shown(value)}`, {
    code: 'invalid-option',
    ...(cause !== undefined && { cause }),
  });

/** The error for a key that nobody knows. */
export function unknownKey(key: string, known: readonly string[], where: string): GlobalPercError {
  const near = nearest(key, known);
  const remedy = near === undefined ? `known are ${listed(known) || 'none'}` : `did you mean '${near}'?`;
  return new GlobalPercError(`${where}: '${key}' is not known; ${remedy}`, { code: 'invalid-option' });
}

/** Longer values are described, not shown. */
const SHOWN_UP_TO = 60;

/** A value as a message shows it: short ones as they are. */
function shown(value: unknown): string {
  const text = textOf(value);
  return text !== undefined && text.length <= SHOWN_UP_TO ? text : described(value);
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'bigint' || value === undefined) return String(value);
  if (Array.isArray(value) && value.length <= SHOWN_UP_TO)
    return `[${value.map((item) => textOf(item) ?? described(item)).join(', ')}]`;
  return undefined;
}
