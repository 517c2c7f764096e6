/** A run judged by pictures that it is not trained on: numbers every some steps, the best state kept, an end where nothing gets better. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch, DataLoader, ImageTensor } from '../data/index.js';
import { exportOnnx, GlobalPercError, type TensorLike, type Trainer } from '../index.js';
import { type Checks, count, recordOf, required, withMethods } from '../options/index.js';
import type { LogEntry } from './log-entry.js';
import { gmsd, psnr } from './measures.js';
import { imagesOf } from './report.js';
import { BEST } from './run-folder.js';

/** What a prediction is compared with a target by: any loss is one. */
export interface Metric {
  evaluate(prediction: TensorLike, target: TensorLike): Promise<number>;
}

/** How a run is judged. */
export interface Validation {
  /** Batches of a whole pass, in whatever order. */
  readonly data: DataLoader;
  /** Steps between two passes. Default: those between two checkpoints. */
  readonly every?: number;
  /** What is measured beside the loss, by name. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  /** Passes without a lower loss after which the run ends. Default: it goes on. */
  readonly patience?: number;
}

const isMetric = withMethods<Metric>('a loss, such as new nn.L1Loss()', 'evaluate');

export const VALIDATION: Checks<Validation> = {
  data: required(withMethods<DataLoader>('a DataLoader', 'stream')),
  every: count,
  metrics: recordOf(isMetric, 'an object of losses by name'),
  patience: count,
};

/** A measure of two pictures, as the mean over those of a batch. */
const ofPictures = (measure: (a: ImageTensor, b: ImageTensor) => number): Metric => ({
  async evaluate(prediction, target) {
    const [made, wanted] = [prediction, target].map(imagesOfBatch) as [ImageTensor[], ImageTensor[]];
    const values = made.map((image, i) => measure(image, wanted[i] as ImageTensor));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  },
});

function imagesOfBatch({ dims, data }: TensorLike): ImageTensor[] {
  if (dims.length === 4 && dims[1] === 3) return imagesOf({ dims: [...dims], data: data as Float32Array });
  throw new GlobalPercError(`psnr and gmsd compare pictures [B, 3, H, W], got [${dims}]`, { code: 'invalid-option' });
}

/** Metrics of pictures in [0, 1]: peak signal-to-noise ratio in dB, gradient magnitude similarity deviation. */
export const PICTURE_METRICS: Readonly<Record<string, Metric>> = { psnr: ofPictures(psnr), gmsd: ofPictures(gmsd) };

/** What a pass has found: means over all samples, `loss` among them. */
export type Judgement = Readonly<Record<string, number>> & { readonly loss: number };

/** Judges a run. */
export class Validator {
  /** The pass of the lowest loss so far. */
  best: { readonly step: number; readonly loss: number } | undefined;
  private passes = 0;

  constructor(
    private readonly trainer: Trainer,
    private readonly validation: Required<Pick<Validation, 'every'>> & Validation,
    private readonly metrics: Readonly<Record<string, Metric>>,
    /** `moves`: whether the loss moves the learning rate. */
    private readonly options: { readonly out: string; readonly ema: boolean; readonly moves: boolean },
  ) {}

  /** Takes what a log says of earlier passes. */
  recall(entries: readonly LogEntry[]): void {
    for (const { step, validation } of entries) if (validation) this.note(step, validation.loss);
  }

  /** Whether there was no lower loss for too long. */
  get isExhausted(): boolean {
    const { patience = Number.POSITIVE_INFINITY } = this.validation;
    return this.passes >= patience;
  }

  /** A pass, where one is due; the state of the lowest loss is kept in the folder `best`. */
  async after(step: number): Promise<Judgement | undefined> {
    if (step % this.validation.every !== 0) return undefined;
    const judgement = await this.pass();
    if (this.options.moves) await this.trainer.stepScheduler(judgement.loss);
    if (this.note(step, judgement.loss)) await this.keep();
    return judgement;
  }

  /** @returns whether it is the lowest so far. */
  private note(step: number, loss: number): boolean {
    const isBest = this.best === undefined || loss < this.best.loss;
    this.passes = isBest ? 0 : this.passes + 1;
    if (isBest) this.best = { step, loss };
    return isBest;
  }

  private async keep(): Promise<void> {
    const folder = join(this.options.out, BEST);
    await mkdir(folder, { recursive: true });
    await this.trainer.save(folder);
    await exportOnnx(this.trainer.student, join(folder, 'student.onnx'));
  }

  private async pass(): Promise<Judgement> {
    const sums = new Map(Object.keys(this.metrics).map((name) => [name, 0]));
    let samples = 0;
    for await (const batch of this.validation.data) {
      const count = batch.input.dims[0] as number;
      samples += count;
      for (const [name, value] of await this.measured(batch))
        sums.set(name, (sums.get(name) as number) + count * value);
    }
    if (samples === 0) throw new GlobalPercError('validation: there are no samples', { code: 'invalid-argument' });
    return Object.fromEntries(Array.from(sums, ([name, sum]) => [name, sum / samples])) as Judgement;
  }

  private async measured({ input, target }: Batch): Promise<[string, number][]> {
    const prediction = await this.trainer.predict(input, { ema: this.options.ema });
    const values: [string, number][] = [];
    for (const [name, metric] of Object.entries(this.metrics))
      values.push([name, await metric.evaluate(prediction, target)]);
    return values;
  }
}
