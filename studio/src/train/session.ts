/** One training in the page: its trainer, its data, and what is kept of it. */
import { type Checkpoint, type LoadProgress, nn, Trainer, toOnnx } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { optimizerFor, Restorer, SIDE } from '../../../dist/cli/demo-student.js';
import type { LogEntry } from '../../../dist/cli/log-entry.js';
import { type Device, sessionFor } from '../engine/device.js';
import { batchOf, firstOf } from '../engine/image.js';
import { keep } from '../engine/keep.js';
import { BATCH, heldOut, type LossName, objective, trainingData } from './task.js';

/** What a training is told. */
export interface Settings {
  readonly loss: LossName;
  readonly steps: number;
}

/** A training as the browser keeps it. */
export interface KeptTraining {
  readonly settings: Settings;
  readonly checkpoint: Checkpoint;
  readonly entries: readonly LogEntry[];
  readonly samples: readonly StepSample[];
}

/** What the student made of the held-out picture after a step. */
export interface StepSample {
  readonly step: number;
  readonly image: ImageTensor;
}

/** Its name among what the browser keeps. */
export const KEPT = 'training';
const SEED = 0;

export class TrainingSession {
  readonly settings: Settings;
  readonly trainer: Trainer;
  readonly shown: { readonly input: ImageTensor; readonly target: ImageTensor };
  entries: readonly LogEntry[] = [];
  samples: readonly StepSample[] = [];
  private readonly batches: Awaited<ReturnType<typeof trainingData>>;

  private constructor(
    settings: Settings,
    trainer: Trainer,
    batches: Awaited<ReturnType<typeof trainingData>>,
    shown: TrainingSession['shown'],
  ) {
    this.settings = settings;
    this.trainer = trainer;
    this.batches = batches;
    this.shown = shown;
  }

  /** Fetches what it needs and compiles the step. @throws GlobalPercError as `Trainer.create` does. */
  static async open(
    settings: Settings,
    device: Device,
    onProgress: (progress: LoadProgress) => void,
    from?: KeptTraining,
  ): Promise<TrainingSession> {
    const [batches, shown, loss] = await Promise.all([
      trainingData(SEED),
      heldOut(),
      objective(settings.loss, onProgress),
    ]);
    nn.manualSeed(SEED);
    const trainer = await Trainer.create(new Restorer(), loss, optimizerFor(settings.steps), {
      batch: [BATCH, 3, SIDE, SIDE],
      clipGradNorm: 1,
      seed: SEED,
      session: sessionFor(device),
    });
    const session = new TrainingSession(settings, trainer, batches, shown);
    if (from) {
      await trainer.restore(from.checkpoint);
      session.entries = from.entries;
      session.samples = from.samples;
    } else await session.sample();
    return session;
  }

  get done(): boolean {
    return this.trainer.steps >= this.settings.steps;
  }

  /** Takes steps until it is done, or `goesOn` says no; after each, `onStep` is told. */
  async train(goesOn: () => boolean, onStep: () => Promise<void>): Promise<void> {
    if (this.done) return;
    for await (const { input, target } of this.batches.stream({ from: this.trainer.steps })) {
      const began = performance.now();
      const { step, loss, gradNorm, lr, hooks } = await this.trainer.step(input, target);
      const seconds = (performance.now() - began) / 1000;
      const paths = hooks.map(({ path, class: name }) => path || name);
      const entry = { step, loss, gradNorm, lr, hooks: hooks.map((hook) => hook.loss), seconds };
      this.entries = [...this.entries, this.entries.length === 0 ? { ...entry, paths } : entry];
      await onStep();
      if (this.done || !goesOn()) break;
    }
  }

  /** Looks at what the student makes of the held-out picture. */
  async sample(): Promise<void> {
    const image = firstOf(await this.trainer.predict(batchOf(this.shown.input)));
    this.samples = [...this.samples, { step: this.trainer.steps, image }];
  }

  /** Keeps everything in the browser, so that a page that ends can be gone on with. */
  async keep(): Promise<void> {
    const { settings, entries, samples } = this;
    const record: KeptTraining = { settings, checkpoint: await this.trainer.checkpoint(), entries, samples };
    await keep(KEPT, record);
  }

  /** The student as an ONNX file. */
  async student(): Promise<Uint8Array> {
    await this.trainer.synchronize();
    return toOnnx(this.trainer.student, { input: [1, 3, SIDE, SIDE] });
  }

  dispose(): Promise<void> {
    return this.trainer.dispose();
  }
}
