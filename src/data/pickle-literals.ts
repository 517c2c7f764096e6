/** Numbers and text as pickles write them. */
import { badPickle } from './pickle-values.js';

/** Longest integer that is read: 8192 bits; beyond, no tensor has a use for it, and arithmetic becomes slow. */
const MAX_INTEGER_BYTES = 1024;
const INTEGER = /^[+-]?\d{1,2466}$/;

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** A signed integer, lowest byte first. */
export function integerIn(bytes: Uint8Array, source: string): number | bigint {
  if (bytes.length > MAX_INTEGER_BYTES) {
    throw badPickle(source, `an integer has ${bytes.length} bytes; at most ${MAX_INTEGER_BYTES} are read`);
  }
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).reverse();
  return narrowed(BigInt.asIntN(8 * bytes.length, BigInt(`0x0${digits.join('')}`)));
}

/** A decimal integer; `00` and `01` are False and True. */
export function integerLine(line: Uint8Array, source: string): boolean | number | bigint {
  const digits = latin1(line).replace(/L$/, '');
  if (digits === '00' || digits === '01') return digits === '01';
  if (!INTEGER.test(digits)) throw badPickle(source, 'an integer in digits is malformed or too long');
  return narrowed(BigInt(digits.replace('+', '')));
}

/** Where a value is stored. */
export function indexLine(line: Uint8Array, source: string): number {
  const digits = latin1(line);
  if (!/^\d{1,10}$/.test(digits)) throw badPickle(source, 'the place of a stored value is no number');
  return Number(digits);
}

/** A float in digits, or `inf`, `-inf`, `nan`. */
export function numberLine(line: Uint8Array, source: string): number {
  const digits = latin1(line);
  if (/^-?inf$/.test(digits)) return digits === 'inf' ? Infinity : -Infinity;
  if (digits === 'nan') return NaN;
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(digits)) return Number(digits);
  throw badPickle(source, 'a float in digits is malformed');
}

/** Text in UTF-8. */
export function textIn(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw badPickle(source, 'a text is not UTF-8', cause);
  }
}

/** Text as Python 2 wrote it: in quotes, with escapes. */
export function quotedLine(line: Uint8Array, source: string): string {
  const quoted = latin1(line);
  const quote = quoted[0];
  if (quoted.length < 2 || (quote !== "'" && quote !== '"') || quoted.at(-1) !== quote) {
    throw badPickle(source, 'a text in quotes is malformed');
  }
  return quoted
    .slice(1, -1)
    .replace(/\\(x([0-9a-f]{2})|.)/gi, (_, character: string, code: string | undefined) =>
      code === undefined ? (ESCAPED[character] ?? character) : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

/** Text with escapes for all beyond Latin-1. */
export const unicodeLine = (line: Uint8Array): string =>
  latin1(line).replace(
    /\\u([\da-fA-F]{4})|\\U(000[\da-fA-F]{5}|0010[\da-fA-F]{4})/g,
    (_, short?: string, long?: string) => String.fromCodePoint(Number.parseInt(short ?? long ?? '', 16)),
  );

/** Text with one character per byte. */
export function latin1(bytes: Uint8Array): string {
  // Not TextDecoder: its latin1 is Windows-1252.
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 1024) parts.push(String.fromCharCode(...bytes.subarray(i, i + 1024)));
  return parts.join('');
}

const narrowed = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
