/** The training of the page, its phases and what is shown of it. */
import { signal } from '@preact/signals';
import type { LogEntry } from '../../../dist/cli/log-entry.js';
import { type Device, giveUpGpu, hasGpu } from '../engine/device.js';
import { isDeviceLost, messageOf } from '../engine/errors.js';
import { forget, kept } from '../engine/keep.js';
import { barOf, newBar } from '../engine/progress.js';
import { saveFile } from '../engine/save.js';
import { KEPT, type KeptTraining, type Settings, type StepSample, TrainingSession } from './session.js';
import type { LossName } from './task.js';

export type Phase = 'idle' | 'preparing' | 'training' | 'paused' | 'done';

export const phase = signal<Phase>('idle');
export const loss = signal<LossName>('both');
export const steps = signal(200);
export const preparing = newBar();
export const problem = signal<string | undefined>(undefined);
/** Whether the step at work is to be the last for now. */
export const stopping = signal(false);
/** What is worth knowing and no error. */
export const remark = signal<string | undefined>(undefined);
export const device = signal<Device | undefined>(undefined);
export const entries = signal<readonly LogEntry[]>([]);
export const samples = signal<readonly StepSample[]>([]);
export const shown = signal<TrainingSession['shown'] | undefined>(undefined);
/** A training of a page that has ended. */
export const former = signal<KeptTraining | undefined>(undefined);
/** Step of what the browser keeps. */
export const keptStep = signal<number | undefined>(undefined);

/** Samples that a whole training leaves, and how often it is kept. */
const [SAMPLES, KEEP_MS] = [10, 5000];

let session: TrainingSession | undefined;
let failed = false;
let lastKept = 0;

/** Looks whether a page before this one has left a training. */
export async function findFormer(): Promise<void> {
  if (session) return;
  former.value = await kept<KeptTraining>(KEPT).catch(() => undefined);
}

/** Begins a training, or goes on with the one that was kept. */
export async function begin(from?: KeptTraining): Promise<void> {
  const settings: Settings = from?.settings ?? { loss: loss.value, steps: steps.value };
  [loss.value, steps.value] = [settings.loss, settings.steps];
  problem.value = undefined;
  remark.value = undefined;
  failed = false;
  phase.value = 'preparing';
  try {
    await close();
    session = await opened(settings, from);
    former.value = undefined;
    keptStep.value = from?.entries.at(-1)?.step;
    shown.value = session.shown;
    show();
    await train();
  } catch (error) {
    fail(error);
  } finally {
    preparing.value = undefined;
  }
}

/** On the GPU where there is one; where that fails, on WebAssembly. */
async function opened(settings: Settings, from: KeptTraining | undefined): Promise<TrainingSession> {
  preparing.value = { label: 'compiling the training step' };
  const open = (on: Device): Promise<TrainingSession> => {
    device.value = on;
    return TrainingSession.open(
      settings,
      on,
      (progress) => {
        preparing.value = progress.step === 'download' ? barOf(progress) : { label: 'compiling the training step' };
      },
      from,
    );
  };
  if (!(await hasGpu())) return open('wasm');
  return open('webgpu').catch((error: unknown) => {
    remark.value = `Not on the GPU: ${messageOf(error)}`;
    return open('wasm');
  });
}

async function train(): Promise<void> {
  const own = session;
  if (!own) return;
  phase.value = 'training';
  preparing.value = undefined;
  const every = Math.max(1, Math.round(own.settings.steps / SAMPLES));
  stopping.value = false;
  await own.train(
    () => !stopping.value,
    async () => {
      if (own.trainer.steps % every === 0 || own.done) await own.sample();
      show();
      if (performance.now() - lastKept > KEEP_MS) await keepNow();
    },
  );
  if (keptStep.value !== own.trainer.steps) await keepNow();
  phase.value = own.done ? 'done' : 'paused';
}

/** Not being able to keep it does not end a training. */
async function keepNow(): Promise<void> {
  try {
    await session?.keep();
    lastKept = performance.now();
    keptStep.value = session?.trainer.steps;
  } catch (error) {
    remark.value = `The browser keeps nothing of this training (${String(error)}); download it before you leave.`;
  }
}

function show(): void {
  entries.value = session?.entries ?? [];
  samples.value = session?.samples ?? [];
}

/** What a failed step has left of weights and optimiser is not to be trusted: it goes on from what is kept. */
function fail(error: unknown): void {
  if (isDeviceLost(error)) giveUpGpu();
  failed = true;
  const at = keptStep.value;
  problem.value = `${messageOf(error)}${at ? ` Step ${at} is kept, and can be gone on from.` : ''}`;
  phase.value = session && entries.value.length > 0 ? 'paused' : 'idle';
}

export async function goOn(): Promise<void> {
  if (failed) return begin(await kept<KeptTraining>(KEPT).catch(() => undefined));
  problem.value = undefined;
  await train().catch(fail);
}

/** After the step that is at work. */
export function pause(): void {
  stopping.value = true;
}

/** A device that is lost takes its sessions along. */
async function close(): Promise<void> {
  await session?.dispose().catch(() => undefined);
  session = undefined;
}

/** Ends it and forgets it. */
export async function discard(): Promise<void> {
  await close();
  problem.value = undefined;
  await forget(KEPT).catch(() => undefined);
  former.value = undefined;
  keptStep.value = undefined;
  shown.value = undefined;
  phase.value = 'idle';
  show();
}

export async function downloadStudent(): Promise<void> {
  try {
    if (session) saveFile('student.onnx', await session.student());
  } catch (error) {
    problem.value = messageOf(error);
  }
}

/** The log as `globalperc train` writes it: Runs shows it. */
export function downloadLog(): void {
  saveFile('log.jsonl', new Blob(entries.value.map((entry) => `${JSON.stringify(entry)}\n`)));
}
