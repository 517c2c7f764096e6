/** Checkpoints: weights and optimiser state as safetensors, the rest as JSON. */
import { formatSafetensors, parseSafetensors } from '../data/safetensors.js';
import { differences, GlobalPercError } from '../graph/index.js';
import type { Buffer, Parameter, StateDict, StateTensor } from '../nn/index.js';
import type { lrScheduler } from '../optim/index.js';
import { METRIC_STATE } from '../optim/plateau.js';
import { type Checks, checkOptions, count, integer, recordOf, required, string } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';
import { type Fingerprints, fingerprintsOf, requireSameFrozen } from './fingerprint.js';
import { OWNED, weightName } from './state.js';
import type { Recipe } from './step.js';

/** Files by name. */
export type Checkpoint = Readonly<Record<string, Uint8Array>>;

/** What a checkpoint holds. */
export interface Snapshot {
  /** What trains of the student's state dict, and its buffers, under PyTorch's keys. */
  readonly weights: StateDict;
  /** The same of what the objective owns; undefined where it owns nothing. */
  readonly owned: StateDict | undefined;
  /** Everything carried from step to step, by name. */
  readonly carried: ReadonlyMap<string, HostTensor>;
  readonly steps: number;
  /** What the schedule knows of metrics, where they move it. */
  readonly metric: lrScheduler.MetricState | undefined;
  readonly run: Run;
  /** What tells the frozen weights that it was trained beside from others. */
  readonly frozen: Fingerprints;
}

/** What a run must have in common with the checkpoint it goes on from. Rates, schedules and limits may be others. */
export interface Run {
  readonly seed: number;
  /** The optimiser's class. */
  readonly optimizer: string;
  readonly accumulate: number;
}

/** What `trainer.json` holds. */
interface Rest extends Run {
  readonly format: number;
  readonly steps: number;
  readonly metric?: lrScheduler.MetricState;
  /** Left out in older files. */
  readonly frozen?: Fingerprints;
}

const REST_CHECKS: Checks<Rest> = {
  format: required(integer()),
  steps: required(integer(0)),
  seed: required(integer()),
  optimizer: required(string),
  accumulate: required(count),
  metric: (value, where) => checkOptions(value, METRIC_STATE, where),
  frozen: recordOf(string, 'digests by path'),
};

const WEIGHTS = 'model.safetensors';
const OBJECTIVE = 'objective.safetensors';
const CARRIED = 'optimizer.safetensors';
const REST = 'trainer.json';
const FORMAT = 2;

export function formatCheckpoint({ weights, owned, carried, steps, metric, run, frozen }: Snapshot): Checkpoint {
  const others = [...carried].filter(([name]) => !name.startsWith(weightName('')));
  const state = Object.fromEntries(
    others.map(([name, { dtype, dims, data }]) => [name, { dtype, dims, data: data as Float32Array }]),
  );
  const about = { ...(metric && { metric }), ...(Object.keys(frozen).length > 0 && { frozen }) };
  const rest = JSON.stringify({ format: FORMAT, steps, ...run, ...about } satisfies Rest, undefined, 2);
  return {
    [WEIGHTS]: formatSafetensors(weights),
    ...(owned && { [OBJECTIVE]: formatSafetensors(owned) }),
    [CARRIED]: formatSafetensors(state),
    [REST]: new TextEncoder().encode(`${rest}\n`),
  };
}

/**
 * @param expected what the trainer carries.
 * @param run the trainer's own, and the student it trains.
 * @throws GlobalPercError when a file is missing or damaged, it is of another run, or keys or shapes differ from the
 * expected ones.
 */
export function parseCheckpoint(
  files: Checkpoint,
  expected: ReadonlyMap<string, HostTensor>,
  run: Run,
  { student, weights: bound }: Pick<Recipe, 'student' | 'weights'>,
  source: string,
): Snapshot {
  const file = (name: string): Uint8Array => {
    const bytes = files[name];
    if (bytes === undefined) {
      throw new GlobalPercError(`${source}: the checkpoint has no ${name}`, { code: 'invalid-file' });
    }
    return bytes;
  };
  const { steps, metric, frozen = {}, ...found } = parseRest(file(REST), source);
  requireSameRun(found, run, source);
  requireSameFrozen(frozen, fingerprintsOf(student, bound), source);
  const stateIn = (name: string): StateDict =>
    Object.fromEntries(parseSafetensors(file(name), `${source}/${name}`).tensors) as StateDict;
  const weights = stateIn(WEIGHTS);
  const owned = bound.owned || files[OBJECTIVE] ? stateIn(OBJECTIVE) : undefined;
  const carried = new Map<string, HostTensor>(parseSafetensors(file(CARRIED), `${source}/${CARRIED}`).tensors);
  const known = new Map(bound.named(student));
  const ofObjective = Object.entries(owned ?? {}).map(([path, tensor]) => [OWNED + path, tensor] as const);
  for (const [path, tensor] of [...Object.entries(weights), ...ofObjective]) {
    const held = known.get(path);
    if (held === undefined || expected.has(weightName(path))) carried.set(weightName(path), tensor);
    else if (!bound.carries(held)) requireSame(held, tensor, `${source}: ${path}`);
  }
  const complaints = differences(shapesOf(carried), shapesOf(expected), 'this trainer');
  if (complaints !== '') {
    throw new GlobalPercError(`${source} is a checkpoint of another model or optimiser; ${complaints}`, {
      code: 'invalid-file',
    });
  }
  return { weights, owned, carried, steps, metric, run, frozen };
}

/** @throws GlobalPercError for a weight that has been trained and is frozen here: the step has another as a constant. */
function requireSame({ data }: Parameter | Buffer, tensor: StateTensor, what: string): void {
  if (data.length === tensor.data.length && data.every((value, i) => value === tensor.data[i])) return;
  throw new GlobalPercError(
    `${what} was trained and is frozen in this trainer: let it train, or load it into the student before`,
    {
      code: 'invalid-file',
    },
  );
}

/** @throws GlobalPercError naming the first thing that differs. */
function requireSameRun(found: Run, run: Run, source: string): void {
  for (const key of ['optimizer', 'seed', 'accumulate'] as const) {
    if (found[key] === run[key]) continue;
    throw new GlobalPercError(
      `${source} was made with ${key} ${found[key]}, this trainer has ${run[key]}: go on with ${found[key]}, or begin a new run`,
      { code: 'invalid-file' },
    );
  }
}

/** The step a checkpoint was made at. */
export const stepsOf = (files: Checkpoint): number =>
  parseRest(files[REST] ?? new Uint8Array(), 'the checkpoint').steps;

function parseRest(bytes: Uint8Array, source: string): Rest {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Rest> | null;
    if (json?.format === FORMAT) return checkOptions(json, REST_CHECKS, REST);
    throw new GlobalPercError(`format ${FORMAT} is expected, got ${json?.format}; begin a new run`, {
      code: 'invalid-file',
    });
  } catch (error) {
    throw new GlobalPercError(`${source}/${REST} is damaged or of another version: ${(error as Error).message}`, {
      code: 'invalid-file',
      cause: error,
    });
  }
}

const shapesOf = (tensors: ReadonlyMap<string, HostTensor>): Map<string, readonly number[]> =>
  new Map(Array.from(tensors, ([name, { dims }]) => [name, dims]));
