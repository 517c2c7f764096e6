/** Damage to files, at random and repeatable: arbitraries of fast-check, so that what fails is made small. */
import fc from 'fast-check';

/** @typedef {{ kind: 'byte' | 'remove' | 'repeat' | 'count' | 'cut', at: number, length: number, value: number }} Change */

/** One change to bytes. Places are parts of the length, in 2^20ths. @type {fc.Arbitrary<Change>} */
const change = fc.record({
  // Changed bytes most often: what is cut is mostly refused at once.
  kind: fc.constantFrom(
    .../** @type {const} */ ([
      'byte',
      'byte',
      'byte',
      'byte',
      'byte',
      'byte',
      'count',
      'count',
      'remove',
      'repeat',
      'cut',
    ]),
  ),
  // Evenly, since doubles would be tiny most often: then nothing but the beginning is damaged.
  at: fc.noBias(fc.nat({ max: 2 ** 20 - 1 })),
  length: fc.integer({ min: 1, max: 40 }),
  value: fc.nat({ max: 255 }),
});

export const changes = fc.array(change, { minLength: 1, maxLength: 3 });

/** @param {Uint8Array} bytes @param {readonly Change[]} list */
export function damaged(bytes, list) {
  let current = Buffer.from(bytes);
  for (const { kind, at, length, value } of list) {
    const begin = Math.floor((at / 2 ** 20) * current.length);
    const end = Math.min(begin + length, current.length);
    if (kind === 'cut') current = current.subarray(0, begin);
    else if (kind === 'byte') current.fill(value, begin, Math.min(begin + 1, end));
    // Lengths, sizes and offsets beyond all bounds.
    else if (kind === 'count') current.fill(value | 0x80, begin, Math.min(begin + 4, end));
    else
      current = Buffer.concat([
        current.subarray(0, kind === 'remove' ? begin : end),
        current.subarray(kind === 'remove' ? end : begin),
      ]);
  }
  return new Uint8Array(current);
}

/** What stands somewhere in JSON where something else is expected. @type {unknown[]} */
const STRANGE = [
  ...[null, true, '', 'unet', '0', {}, [], [[]], -1, 0, 0.5, 1, 2, 3, 1e-320, 2 ** 31, 2 ** 53, 1e308, -1e308],
  ...['__proto__', '../../etc/passwd', '\u0000', 'x'.repeat(5000), [1e9, 1e9], Array(300).fill(0), { toString: 1 }],
];

/** One change to a JSON value: the place, by how often one goes down, and what becomes of it. */
const edit = fc.record({
  path: fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 5 }),
  deed: fc.constantFrom('replace', 'replace', 'remove', 'rename', 'wrap', 'add'),
  value: fc.constantFrom(...STRANGE),
});
/** @typedef {{ path: number[], deed: string, value: unknown }} Edit */

export const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

/** @param {unknown} json @param {readonly Edit[]} list */
export const edited = (json, list) =>
  list.reduce(
    (current, { path, deed, value }) => changed(current, path, deed, structuredClone(value)),
    structuredClone(json),
  );

/** @param {any} json @param {number[]} path @param {string} deed @param {unknown} value @returns {unknown} */
function changed(json, [place = 0, ...path], deed, value) {
  if (typeof json !== 'object' || json === null || Object.keys(json).length === 0)
    return deed === 'wrap' ? [json] : value;
  const keys = Object.keys(json);
  const key = keys[place % keys.length] ?? '';
  if (path.length > 0) json[key] = changed(json[key], path, deed, value);
  else if (Array.isArray(json) && deed !== 'wrap')
    json.splice(Number(key), deed === 'add' ? 0 : 1, ...(deed === 'remove' ? [] : [value]));
  else if (deed === 'remove') delete json[key];
  else if (deed === 'rename') json[`${key}x`] = json[key];
  else if (deed === 'wrap') json[key] = [json[key]];
  else if (deed === 'add') json[JSON.stringify(value).slice(0, 20)] = value;
  else json[key] = value;
  return json;
}
