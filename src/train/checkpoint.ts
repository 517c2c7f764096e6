/** Checkpoints: weights and optimiser state as safetensors, the rest as JSON. */
import { formatSafetensors, parseSafetensors } from '../data/safetensors.js';
import { differences, GlobalPercError } from '../graph/index.js';
import type { StateDict } from '../nn/index.js';
import type { HostTensor } from '../runtime/index.js';
import { weightName } from './state.js';

/** Files by name. */
export type Checkpoint = Readonly<Record<string, Uint8Array>>;

/** What a checkpoint holds. */
export interface Snapshot {
  /** The student's state dict, under PyTorch's keys. */
  readonly weights: StateDict;
  /** Everything carried from step to step, by name. */
  readonly carried: ReadonlyMap<string, HostTensor>;
  readonly steps: number;
  readonly seed: number;
}

const WEIGHTS = 'model.safetensors';
const CARRIED = 'optimizer.safetensors';
const REST = 'trainer.json';
const FORMAT = 1;

export function formatCheckpoint({ weights, carried, steps, seed }: Snapshot): Checkpoint {
  const others = [...carried].filter(([name]) => !name.startsWith(weightName('')));
  const state = Object.fromEntries(
    others.map(([name, { dtype, dims, data }]) => [name, { dtype, dims, data: data as Float32Array }]),
  );
  const rest = JSON.stringify({ format: FORMAT, steps, seed }, undefined, 2);
  return {
    [WEIGHTS]: formatSafetensors(weights),
    [CARRIED]: formatSafetensors(state),
    [REST]: new TextEncoder().encode(`${rest}\n`),
  };
}

/**
 * @param expected what the trainer carries.
 * @throws GlobalPercError when a file is missing or damaged, or keys or shapes differ from the expected ones.
 */
export function parseCheckpoint(
  files: Checkpoint,
  expected: ReadonlyMap<string, HostTensor>,
  source: string,
): Snapshot {
  const file = (name: string): Uint8Array => {
    const bytes = files[name];
    if (bytes === undefined) throw new GlobalPercError(`${source}: the checkpoint has no ${name}`);
    return bytes;
  };
  const { steps, seed } = parseRest(file(REST), source);
  const weights = Object.fromEntries(parseSafetensors(file(WEIGHTS), `${source}/${WEIGHTS}`).tensors) as StateDict;
  const found = new Map<string, HostTensor>(parseSafetensors(file(CARRIED), `${source}/${CARRIED}`).tensors);
  for (const [path, tensor] of Object.entries(weights)) {
    if (expected.has(weightName(path))) found.set(weightName(path), tensor);
  }
  const complaints = differences(shapesOf(found), shapesOf(expected), 'this trainer');
  if (complaints !== '') {
    throw new GlobalPercError(`${source} is a checkpoint of another model or optimiser; ${complaints}`);
  }
  return { weights, carried: found, steps, seed };
}

/** The step a checkpoint was made at. */
export const stepsOf = (files: Checkpoint): number =>
  parseRest(files[REST] ?? new Uint8Array(), 'the checkpoint').steps;

function parseRest(bytes: Uint8Array, source: string): { steps: number; seed: number } {
  const broken = (): GlobalPercError => new GlobalPercError(`${source}/${REST} is damaged`);
  try {
    const { format, steps, seed } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, number>;
    if (format !== FORMAT || !Number.isInteger(steps) || !Number.isInteger(seed)) throw broken();
    return { steps: steps as number, seed: seed as number };
  } catch {
    throw broken();
  }
}

const shapesOf = (tensors: ReadonlyMap<string, HostTensor>): Map<string, readonly number[]> =>
  new Map(Array.from(tensors, ([name, { dims }]) => [name, dims]));
