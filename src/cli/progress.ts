/** What commands tell while they run, on stderr. */
import type { OpenProgress } from '../data/index.js';
import type { EncodeAllProgress, LoadProgress, Progress } from '../index.js';
import { loadPeer } from '../peers/index.js';

type AnyProgress = Progress | LoadProgress | EncodeAllProgress | OpenProgress;

/** Reports the steps of everything that a command does. */
export interface AllSteps {
  readonly onProgress?: (progress: AnyProgress) => void;
}

const STEPS = ['read', 'parse', 'specialize', 'differentiate', 'fold', 'open', 'run'];

/** Milliseconds: what is done sooner needs no bar. */
const BAR_AFTER = 1000;

/** Lines that wait for a bar to go, which would draw over them. */
let held: string[] | undefined;

/** Writes a line to stderr, behind the bar if there is one. */
export function note(line: string): void {
  if (held) held.push(line);
  else process.stderr.write(`${line}\n`);
}

/** Runs a task; where stderr is a terminal, with a progress bar once it takes longer. Downloads count in bytes. */
export async function withProgress<T>(task: (options: AllSteps) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return task({});
  const { SingleBar } = await loadPeer('cli-progress', () => import('cli-progress'));
  const bar = new SingleBar({
    format: '{bar} {step}',
    clearOnComplete: true,
    hideCursor: true,
    stream: process.stderr,
  });
  let state: State = { total: STEPS.length, done: 0, step: 'starting' };
  const timer = setTimeout(() => bar.start(state.total, state.done, { step: state.step }), BAR_AFTER);
  const onProgress = (progress: AnyProgress): void => {
    state = stateOf(progress);
    if (!bar.isActive) return;
    bar.setTotal(state.total);
    bar.update(state.done, { step: state.step });
  };
  held = [];
  try {
    return await task({ onProgress });
  } finally {
    clearTimeout(timer);
    bar.stop();
    const lines = held;
    held = undefined;
    for (const line of lines) note(line);
  }
}

/** What a bar shows. */
interface State {
  readonly total: number;
  readonly done: number;
  readonly step: string;
}

function stateOf(progress: AnyProgress): State {
  const { step } = progress;
  if (step === 'look') return { ...progress, step: `look at file ${progress.done} of ${progress.total}` };
  if (step === 'encode') return { ...progress, step: `${step} target ${progress.done} of ${progress.total}` };
  if (step !== 'download') return { total: STEPS.length, done: STEPS.indexOf(step) + 1, step };
  const { loaded, total, file } = progress;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  return { total, done: loaded, step: `${step} ${megabytes(loaded)} of ${megabytes(total)} MB ${file}` };
}
