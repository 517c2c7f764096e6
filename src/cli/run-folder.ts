/** The folder that a run is written to: a new one, or one of ours; never somebody else's. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';

/** The log of a run, a line of JSON per step. */
export const LOG = 'log.jsonl';

/** The folder of the state that the validation data like best. */
export const BEST = 'best';

/** What fine-tuning leaves: adapters, or trained weights of the U-Net, and what it has made of the pictures. */
export const [ADAPTERS, ATTENTION_WEIGHTS, ENCODED] = [
  'pytorch_lora_weights.safetensors',
  'unet_attention.safetensors',
  'encoded.safetensors',
] as const;

/** What a complete run leaves beside log and checkpoints. */
export const RESULTS = ['student.onnx', 'curves.svg', 'curves.png', 'samples.png'] as const;

/** What the student made of its first batch after some step, `samples-00000100.png`. */
export const SAMPLES_AT = /^samples-(\d{8})\.png$/;

export const samplesAt = (step: number): string => `samples-${String(step).padStart(8, '0')}.png`;

const CHECKPOINT = /^checkpoint-\d{8}/;

/** Event files of TensorBoard. */
const EVENTS = /^events\.out\.tfevents\./;

/**
 * @returns whether a run that ended before its first checkpoint is there, which is begun anew.
 * @throws GlobalPercError when there is a file instead of a folder, a run that would be overwritten, or anything that is no run.
 */
export async function requireRunFolder(out: string, resume: boolean): Promise<boolean> {
  const names = await namesIn(out);
  if (names.length === 0 || resume) return false;
  const started = names.some((name) => CHECKPOINT.test(name));
  const isRun = names.every((name) => isOfRun(name)) && (await isLog(join(out, LOG)));
  if (isRun && !started) return true;
  throw started
    ? refused(`'${out}' holds a run already; go on with --resume, or take another --out`)
    : refused(`'${out}' is not empty and holds no run of this command (${listed(names)}); take a new folder for --out`);
}

/** @throws GlobalPercError when a folder that is not empty holds anything but some names, or lacks the first. */
export async function requireFolderOf(out: string, known: readonly [string, ...string[]]): Promise<void> {
  const names = await namesIn(out);
  if (names.length === 0 || (names.includes(known[0]) && names.every((name) => known.includes(name)))) return;
  throw refused(`'${out}' is not empty and holds something else (${listed(names)}); take a new folder for --out`);
}

/**
 * Pictures written beside those that a run reads would be read by the next run.
 * @param role of the pictures, for the message.
 * @throws GlobalPercError when the folder is one of some folders, or lies in one.
 */
export async function requireOutside(out: string, folders: readonly string[], role: string): Promise<void> {
  const inside = await realpathOf(out);
  for (const folder of folders) {
    if (!`${inside}${sep}`.startsWith(`${await realpathOf(folder)}${sep}`)) continue;
    throw refused(`--out '${out}' lies in '${folder}', whose pictures are ${role}; name a folder outside`);
  }
}

/** The visible entries of a folder; none when it does not exist. */
async function namesIn(out: string): Promise<string[]> {
  const found = await stat(out).catch(() => undefined);
  if (found && !found.isDirectory()) throw refused(`--out '${out}' is a file; name a folder`);
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new GlobalPercError(`--out: cannot read '${out}': ${reasonOf(error)}`, { code: 'io', cause: error });
  });
  return names.filter((name) => !name.startsWith('.')).sort();
}

const isOfRun = (name: string): boolean =>
  [LOG, BEST, ADAPTERS, ATTENTION_WEIGHTS, ENCODED, ...RESULTS].includes(name) ||
  [CHECKPOINT, SAMPLES_AT, EVENTS].some((pattern) => pattern.test(name));

/** Whether a file is a log of ours: empty, or with what a step gives in its first line. */
async function isLog(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  try {
    const entry = JSON.parse(text.split('\n')[0] || 'null') as Record<string, unknown> | null;
    return entry === null || ['step', 'loss', 'gradNorm', 'lr'].every((key) => typeof entry[key] === 'number');
  } catch {
    return false;
  }
}

/** The real path of a file or folder, or what it will be where it does not exist yet. */
async function realpathOf(path: string): Promise<string> {
  const full = resolve(path);
  const parent = dirname(full);
  return realpath(full).catch(async () => (parent === full ? full : join(await realpathOf(parent), basename(full))));
}

const listed = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

const refused = (message: string): GlobalPercError => new GlobalPercError(message, { code: 'invalid-option' });
