/** Learning rates step by step, against PyTorch's. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { constantOf } from '../../src/graph/index.js';
import { MSELoss } from '../../src/loss/index.js';
import { Conv2d, manualSeed } from '../../src/nn/public.js';
import { createGraph } from '../../src/ops/index.js';
import { fromJSON, lrScheduler, SGD } from '../../src/optim/index.js';
import { NO_METRIC } from '../../src/optim/schedule.js';
import { Trainer } from '../../src/train/index.js';
import { runGraph } from '../support/run.js';

interface Case {
  readonly name: string;
  readonly schedule: object;
  readonly base: number;
  readonly rates: readonly number[];
}

const url = new URL('../../fixtures/data/optimizers/schedules.json', import.meta.url);
const cases = JSON.parse(readFileSync(url, 'utf8')) as Case[];

/** The rates of steps `first`, `first` + 1, … at once. */
async function ratesOf(schedule: lrScheduler.LRScheduler, base: number, steps: number, first = 0): Promise<number[]> {
  const graph = createGraph();
  const step = graph.input('step', 'float64', [steps]);
  const rates = schedule.rate(base, step).add(step.mul(0));
  const data = Array.from({ length: steps }, (_, i) => first + i);
  const { rates: found } = await runGraph(graph, { rates }, { step: constantOf('float64', [steps], data) });
  return found as number[];
}

it.each(cases)('$name', async ({ schedule, base, rates }) => {
  const found = await ratesOf(fromJSON({ sgd: { schedule } }).schedule, base, rates.length);
  expect(found).toHaveLength(rates.length);
  // The cosine is computed in float32: half a unit in the last place of an angle below 2π.
  for (const [i, rate] of rates.entries())
    expect(Math.abs((found[i] as number) - rate), `step ${i}`).toBeLessThan(2e-7 * base);
});

it('CosineAnnealingLR is as exact after ten million steps', async () => {
  const schedule = new lrScheduler.CosineAnnealingLR({ tMax: 5 });
  expect(await ratesOf(schedule, 1, 10, 10_000_000)).toEqual(await ratesOf(schedule, 1, 10));
});

it('ConstantLR is the base rate', async () => {
  expect(await ratesOf(new lrScheduler.ConstantLR(), 0.3, 3)).toEqual([0.3, 0.3, 0.3]);
});

interface PlateauCase extends Omit<Case, 'base' | 'rates'> {
  readonly bases: readonly [number, number];
  readonly metrics: readonly number[];
  readonly rates: readonly (readonly number[])[];
}

describe('ReduceLROnPlateau', () => {
  const plateaus = JSON.parse(
    readFileSync(new URL('../../fixtures/data/optimizers/plateaus.json', import.meta.url), 'utf8'),
  ) as PlateauCase[];

  it.each(plateaus)('$name', async ({ schedule, bases, metrics, rates }) => {
    const plateau = fromJSON({ sgd: { schedule } }).schedule as lrScheduler.ReduceLROnPlateau;
    let state: lrScheduler.MetricState = NO_METRIC;
    const reductions = metrics.map((metric) => {
      state = plateau.next(metric, state);
      return state.reductions;
    });
    const graph = createGraph();
    const count = graph.input('count', 'float64', [metrics.length]);
    const [first, second] = bases.map((base) => plateau.rate(base, count)) as [typeof count, typeof count];
    const feeds = { count: constantOf('float64', [metrics.length], reductions) };
    const found = await runGraph(graph, { first, second }, feeds);
    expect(found).toEqual({ first: rates.map(([rate]) => rate), second: rates.map(([, rate]) => rate) });
  });

  const SHAPE = [1, 2, 2, 2];
  const image = { dims: SHAPE, data: Float32Array.from({ length: 8 }, (_, i) => i / 8) };
  const target = { dims: SHAPE, data: new Float32Array(8) };
  const trainerWith = (schedule: lrScheduler.LRScheduler): Promise<Trainer> => {
    manualSeed(1);
    const groups = [{ parameters: /bias/, lr: 0.02 }];
    return Trainer.create(new Conv2d(2, 2, 1), new MSELoss(), new SGD({ lr: 0.5, schedule, groups }), { batch: SHAPE });
  };

  it('moves the steps of a trainer, and goes on from a checkpoint', async () => {
    const schedule = new lrScheduler.ReduceLROnPlateau({ patience: 1, factor: 0.5 });
    await using trainer = await trainerWith(schedule);
    const lrs: number[] = [];
    const steps = async (run: Trainer, metrics: readonly number[]): Promise<void> => {
      for (const metric of metrics) {
        await run.stepScheduler(metric);
        lrs.push((await run.step(image, target)).lr);
      }
    };
    await steps(trainer, [3, 3, 3, 2]);
    const half = await trainer.checkpoint();
    await steps(trainer, [2, 2]);
    expect(lrs).toEqual([0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
    const end = await trainer.checkpoint();
    await using resumed = await trainerWith(schedule);
    await resumed.restore(half);
    await steps(resumed, [2, 2]);
    expect(lrs.slice(-2)).toEqual([0.25, 0.125]);
    expect(await resumed.checkpoint()).toEqual(end);
    await using plain = await trainerWith(new lrScheduler.ConstantLR());
    await plain.restore(half);
    await expect(plain.stepScheduler(1)).rejects.toThrow(/no metric moves the schedule of this SGD/);
    // What knows of no metric yet begins anew.
    await trainer.restore(await plain.checkpoint());
    expect((await trainer.step(image, target)).lr).toBe(0.5);
    await expect(trainer.stepScheduler(Number.NaN)).rejects.toThrow(/metric should be/);
  });

  it('is no part of a sequence', () => {
    const parts = [new lrScheduler.ReduceLROnPlateau(), new lrScheduler.ConstantLR()];
    expect(() => new lrScheduler.SequentialLR(parts, [3])).toThrow(/ReduceLROnPlateau, is no part of a sequence/);
    expect(() => new lrScheduler.ReduceLROnPlateau({ factor: 1 })).toThrow(/factor should be/);
  });
});
