/** What the commands share: reading options, building the loss, showing progress. */
import type { Command } from 'commander';
import { readImage } from '../data/index.js';
import { readBytes, refuseOverwriting } from '../files/index.js';
import {
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  type InputRange,
  type InputValue,
  type Loss,
  loadModel,
} from '../index.js';
import { isBuiltIn, openBuiltIn } from './built-in.js';
import type { Files, ModelOptions } from './model-options.js';
import { type AllSteps, note } from './progress.js';

export { type AllSteps, withProgress } from './progress.js';

/** `1,3,224,224` as a shape. @throws GlobalPercError when it is anything else. */
export function parseShape(text: string): number[] {
  const dims = text.split(',').map(Number);
  if (dims.length < 2 || !dims.every((dim) => Number.isInteger(dim) && dim > 0)) {
    throw new GlobalPercError(`--input should be positive dimensions such as 1,3,224,224, got '${text}'`, {
      code: 'invalid-option',
    });
  }
  return dims;
}

const RANGES: Readonly<Record<string, InputRange>> = { '0,1': [0, 1], '-1,1': [-1, 1], '0,255': [0, 255] };

/** `-1,1` as a range. @throws GlobalPercError when it is no range that images have. */
function parseRange(text: string): InputRange {
  const range = Object.hasOwn(RANGES, text) ? RANGES[text] : undefined;
  if (range) return range;
  throw new GlobalPercError(`--input-range should be one of ${Object.keys(RANGES).join(' | ')}, got '${text}'`, {
    code: 'invalid-option',
  });
}

/** The number that an option is given. @throws GlobalPercError when it is none. */
export function parseNumber(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new GlobalPercError(`${option} should be a number, got '${text}'`, { code: 'invalid-option' });
  return value;
}

/** The integer that an option is given. @throws GlobalPercError when it is none, below `least` or above `most`. */
export function parseInteger(text: string, option: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = parseNumber(text, option);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw new GlobalPercError(`${option} should be an integer ${range}, got '${text}'`, { code: 'invalid-option' });
}

/** More threads than any machine has use for; ONNX Runtime starts as many as it is told to. */
const MOST_THREADS = 1024;

/** The number of threads that `--threads` names, if it is given. @throws GlobalPercError when it is no such number. */
export const parseThreads = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseInteger(text, '--threads', 1, MOST_THREADS);

/** A parsed JSON file. @throws GlobalPercError when it is missing or not JSON. */
export async function readJson(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    // A byte order mark, as some editors write it, is dropped.
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new GlobalPercError(`${path} is not JSON: ${(error as Error).message}`, {
      code: 'invalid-file',
      cause: error,
    });
  }
}

/** Exit code of a run that was interrupted. */
export const INTERRUPTED = 130;

/** Declares what the commands that take a model have in common. */
export const addModelOptions = (command: Command): Command =>
  command
    .option('--config <FILE>', 'JSON with the keys of GlobalPercConfig')
    .option('--hook <SELECTOR>', 'class name or /pattern/ on the path, instead of modulesToHook; repeatable', collect)
    .option('--input-range <LOW,HIGH>', 'what tensors hold: 0,1 or -1,1 or 0,255, instead of inputRange')
    .option('--image <INPUT>', 'name of the input that receives the image, where it is not clear')
    .option('--set <INPUT=VALUE>', 'value of another input: a number or a .npy file; repeatable', collect)
    .option('--revision <REVISION>', 'branch, tag or commit of a repository on the hub', 'main')
    .option('--file <PATH>', 'ONNX file in a repository on the hub, where it is not clear');

/** Declares it for the commands that take a loss of the package in place of a model. */
export const addWeights = (command: Command): Command =>
  command.option(
    '--weights <FILE>',
    "torchvision's .pth, by path or URL, or an ONNX export: for lpips:vgg, lpips:squeeze and dists",
  );

/** Collects the values of an option that may be repeated. */
export const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/**
 * Loads model and configuration; `hook`, where given, replaces the hooks of the configuration.
 * @throws GlobalPercError when one of the files to write is one of those that are read, and as `loadModel` does.
 */
export async function openLoss(
  modelPath: string,
  options: ModelOptions,
  step: AllSteps,
  { reads = [], writes = [] }: Files = {},
): Promise<GlobalPercLoss> {
  const { config: path } = options;
  if (options.hook?.includes('')) {
    throw new GlobalPercError("--hook should be a class name or /pattern/ on the path, got ''", {
      code: 'invalid-option',
    });
  }
  const json = path === undefined ? {} : await readJson(path);
  const config = GlobalPercConfig.fromJSON(json, {
    // printData goes to stderr and only where asked for: stdout belongs to the result.
    printData: (json as { printData?: boolean } | null)?.printData ?? false,
    logger: note,
    ...(options.hook && { modulesToHook: options.hook }),
    ...(options.inputRange !== undefined && { inputRange: parseRange(options.inputRange) }),
  });
  const set = (options.set ?? []).map(parseSetting);
  const inputs = Object.fromEntries(await Promise.all(set.map(async ({ name, value }) => [name, await read(value)])));
  const { image, revision, file } = options;
  const chosen = { ...(image && { input: image }), ...(revision && { revision }), ...(file && { file }) };
  const model = await loadModel(modelPath, { ...step, inputs, ...chosen });
  const arrays = set.flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
  await refuseOverwriting(writes, [...model.files, ...(path === undefined ? [] : [path]), ...arrays, ...reads]);
  return new GlobalPercLoss(model, config);
}

/** Loads a loss of the package, or one of a model. Throws as `openLoss` does. */
export async function openAnyLoss(name: string, options: ModelOptions, step: AllSteps, files: Files): Promise<Loss> {
  if (isBuiltIn(name)) return openBuiltIn(name, options, step, files);
  if (options.weights === undefined) return openLoss(name, options, step, files);
  throw new GlobalPercError(`--weights is for lpips:vgg, lpips:squeeze and dists; ${name} is a model with weights`, {
    code: 'invalid-option',
  });
}

/** A value of `--set`: a number, or the path of an array. */
interface Setting {
  readonly name: string;
  readonly value: number | string;
}

/** `timestep=10` or `states=states.npy`. @throws GlobalPercError when it is neither. */
function parseSetting(text: string): Setting {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new GlobalPercError(`--set should be INPUT=NUMBER or INPUT=FILE.npy, got '${text}'`, {
      code: 'invalid-option',
    });
  }
  return { name, value: value.endsWith('.npy') ? value : parseNumber(value, `--set ${name}`) };
}

const read = async (value: number | string): Promise<InputValue> =>
  typeof value === 'string' ? readImage(value) : value;

/** Prints rows in aligned columns; numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const isNumeric = header.map((_, column) => rows.every((row) => /^-?[\d.e+-]+$/.test(row[column] ?? '')));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        isNumeric[column] ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number),
      )
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
