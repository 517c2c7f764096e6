/** Learning rates step by step, against PyTorch's. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { constantOf } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { fromJSON, lrScheduler } from '../../src/optim/index.js';
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
