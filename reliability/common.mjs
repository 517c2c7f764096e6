/** What scenarios share: how much is tried, processes, folders, and what a folder of a run must look like. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel } from '../dist/index.js';

/**
 * What a scenario has found.
 * @typedef {object} Outcome
 * @property {string} tried what was done, and how often
 * @property {string[]} lost what should not have happened; nothing, if all is well
 * @property {string} found figures
 */

/** How often what a whole run does so many times is to be done. @param {number} scale @param {number} whole */
export const times = (scale, whole) => Math.max(1, Math.round(whole * scale));

export const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** A folder that is removed when the work is done. @template T @param {(folder: string) => Promise<T>} work */
export async function inFolder(work) {
  const folder = await mkdtemp(join(tmpdir(), 'globalperc-reliability-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Starts a process of Node.
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, shell?: string }} [options] `shell`: what a shell does before
 */
export function start(args, { env = {}, shell } = {}) {
  const command = shell ? ['sh', '-c', `${shell}; exec "$0" "$@"`, process.execPath] : [process.execPath];
  const child = spawn(/** @type {string} */ (command[0]), [...command.slice(1), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, GLOBALPERC_CACHE: 'off', ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said = (said + chunk).slice(-4000);
    });
  /** @type {Promise<{ code: number | NodeJS.Signals | null, said: string }>} */
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code: code ?? signal, said })));
  return { child, ended };
}

/** A process that takes longer hangs, even where many others compute. */
const HANGS_MS = 600_000;

/** The end of a process; one that hangs is killed. @param {ReturnType<typeof start>} started */
export async function endOf({ child, ended }) {
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
  const result = await ended;
  clearTimeout(timer);
  return result;
}

/** Some kilobytes of repeatable noise. @param {number} length @param {() => number} random */
export const noise = (length, random) => Float32Array.from({ length }, random);

/** Writes photographs and the configuration of a run of `globalperc train`. @param {string} folder @param {number} steps */
export async function writeConfig(folder, steps) {
  const { default: sharp } = await import('sharp');
  const { Generator } = await import('../dist/index.js');
  const random = new Generator(1);
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < 5; i += 1) {
    const pixels = Uint8Array.from({ length: 24 * 24 * 3 }, () => random.integer(256));
    const image = sharp(pixels, { raw: { width: 24, height: 24, channels: 3 } });
    await image.png().toFile(join(folder, 'photos', `${i}.png`));
  }
  const config = {
    student: { unet: { width: 4, depth: 1 } },
    loss: { l1: {} },
    optimizer: { adamW: { lr: 1e-3 } },
    data: { folder: 'photos', augment: [{ randomCrop: 16 }], degradation: { denoise: { sigma: 0.1 } }, batchSize: 2 },
    steps,
    checkpointEvery: 5,
  };
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Arguments of `globalperc train`. @param {string} config @param {string} out @param {boolean} resume */
export const training = (config, out, resume) => [
  at('../dist/cli/main.js'),
  ...['train', config, '--out', out, '--threads', '1', ...(resume ? ['--resume'] : [])],
];

/** @param {string} path */
export const namesIn = (path) => {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
};

/** @param {string} out */
export const checkpointsIn = (out) => namesIn(out).filter((name) => name.startsWith('checkpoint-'));

/** Values of a run's log, without times; a line that was cut off is none. @param {string} out */
export function logOf(out) {
  if (!namesIn(out).includes('log.jsonl')) return [];
  const lines = readFileSync(join(out, 'log.jsonl'), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const { seconds: _, ...rest } = JSON.parse(line);
    return rest;
  });
}

/** Everything that a run has come to, but for times: two that are equal have been the same. @param {string} out */
export function stateOf(out) {
  const bytes = (/** @type {string} */ path) => readFileSync(join(out, path)).toString('base64');
  const last = checkpointsIn(out).at(-1) ?? '';
  const state = namesIn(join(out, last)).map((name) => [name, bytes(join(last, name))]);
  const student = namesIn(out).includes('student.onnx') ? bytes('student.onnx') : '';
  const log = logOf(out).map(({ paths: _, ...entry }) => entry);
  return JSON.stringify({ last, state, student, log });
}

/** What is half written in the folder of a run, apart from what is named as unfinished. @param {string} out */
export async function halfWritten(out) {
  const { parseSafetensors } = await import('../dist/data/index.js');
  const { default: sharp } = await import('sharp');
  /** @type {string[]} */
  const damaged = [];
  /** @param {string} path @param {(bytes: Buffer) => unknown} read */
  const check = async (path, read) => {
    try {
      await read(readFileSync(join(out, path)));
    } catch (error) {
      damaged.push(`${path}: ${error}`);
    }
  };
  for (const name of checkpointsIn(out)) {
    for (const file of ['model.safetensors', 'optimizer.safetensors'])
      await check(join(name, file), (bytes) => parseSafetensors(bytes, file));
    await check(join(name, 'trainer.json'), (bytes) => JSON.parse(bytes.toString()));
  }
  for (const name of namesIn(out)) {
    if (name === 'log.jsonl') await check(name, () => logOf(out));
    if (name.endsWith('.png')) await check(name, (bytes) => sharp(bytes).raw().toBuffer());
    if (name.endsWith('.onnx')) await check(name, (bytes) => loadModel(bytes));
    if (name.endsWith('.svg')) await check(name, (bytes) => requireEnd(bytes.toString().trimEnd(), '</svg>'));
  }
  return damaged;
}

/** @param {string} text @param {string} end */
function requireEnd(text, end) {
  if (!text.endsWith(end)) throw new Error('it is cut off');
}

/** What a killed process has left behind, and a complete run has not removed. @param {string} out */
export const litterIn = (out) => namesIn(out).filter((name) => name.startsWith('.'));
