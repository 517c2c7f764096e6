/** Damaged files and configurations, for every reader: a result that is whole, or a GlobalPercError, in time and within memory. */
import fc from 'fast-check';
import { GlobalPercError } from '../../dist/index.js';
import { inFolder } from '../common.mjs';
import { changes, damaged, edited, edits } from '../damage.mjs';
import { jsonReaders } from '../json-readers.mjs';
import { readers } from '../readers.mjs';

const SEED = 17;
const INPUTS = 10_000;

/** What takes longer hangs: even where many others compute. */
const PATIENCE_MS = 20_000;

/** Memory beside twice that of the file: other work comes and goes. */
const FLOOR = 2 ** 25;

/** @typedef {import('../readers.mjs').Reader} Reader */

/** Reads one input, and throws unless all is as it must be. @param {Reader} reader @param {any} input @param {{ read: number, refused: number }} counts */
async function attempt({ read }, input, counts) {
  const [started, before] = [performance.now(), process.memoryUsage().arrayBuffers];
  try {
    await read(input);
    counts.read += 1;
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    counts.refused += 1;
  }
  const [took, grown] = [performance.now() - started, process.memoryUsage().arrayBuffers - before];
  if (took > PATIENCE_MS) throw new Error(`it took ${Math.round(took)} ms`);
  const size = input instanceof Uint8Array ? input.length : JSON.stringify(input).length;
  if (grown > 2 * size + FLOOR) throw new Error(`it took ${grown} bytes of memory, for ${size} bytes`);
}

/** @param {any} example */
const shown = ([input]) =>
  input instanceof Uint8Array ? `${input.length} bytes` : JSON.stringify(input).slice(0, 300);

/** What failed, made small, in a line. @param {string} name @param {import('fast-check').RunDetails<any>} details */
function failure(name, { counterexample, counterexamplePath, errorInstance }) {
  const stack = String(/** @type {Error | null} */ (errorInstance)?.stack)
    .split('\n')
    .slice(0, 3)
    .join(' ')
    .slice(0, 400);
  return `${name}, seed ${SEED}, path ${counterexamplePath}: ${shown(counterexample)}: ${stack}`;
}

/** @param {Reader} reader @param {number} runs */
async function fuzz(reader, runs) {
  const counts = { read: 0, refused: 0 };
  const source = fc.constantFrom(...reader.sources);
  const input =
    reader.sources[0] instanceof Uint8Array
      ? fc.tuple(source, changes).map(([bytes, list]) => damaged(bytes, list))
      : fc.tuple(source, edits).map(([json, list]) => edited(json, list));
  const property = fc.asyncProperty(input, (value) => attempt(reader, value, counts));
  const details = await fc.check(property, { seed: SEED, numRuns: runs });
  return { counts, lost: details.failed ? [failure(reader.name, details)] : [] };
}

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const all = [...(await readers(folder)), ...(await jsonReaders(folder))];
    const shares = all.reduce((sum, { share }) => sum + share, 0);
    const total = { read: 0, refused: 0 };
    const [lost, each] = [/** @type {string[]} */ ([]), /** @type {string[]} */ ([])];
    for (const reader of all) {
      const found = await fuzz(reader, Math.ceil((INPUTS * scale * reader.share) / shares));
      total.read += found.counts.read;
      total.refused += found.counts.refused;
      lost.push(...found.lost);
      each.push(`${reader.name} ${found.counts.read}/${found.counts.refused}`);
    }
    return {
      tried: `${total.read + total.refused} damaged inputs (seed ${SEED}) for ${all.length} readers`,
      lost,
      found: `${total.read} read, ${total.refused} refused with a GlobalPercError (${each.join(', ')}); each within ${PATIENCE_MS / 1000} s, and twice the file and ${FLOOR / 2 ** 20} MB`,
    };
  });
