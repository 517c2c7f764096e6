/** Whole training runs of a small U-Net against PyTorch's, step by step: see `fixtures/make_training.py`. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { numbersOf } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, type Objective } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { AdamW } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { UNet } from '../../src/zoo/index.js';
import { relativeError } from '../support/run.js';
import { hostOf, readFixture, stateOf } from '../support/safetensors.js';

interface Case {
  name: string;
  teacher?: string;
  config?: object;
  unet: { inChannels: number; width: number; outChannels: number; depth: number };
  optimizer: { options: object };
  steps: number;
  initial: Record<string, string>;
  batches: { input: string; target: string }[];
  losses: number[];
  gradNorms: number[];
  hookLosses?: { first: number[] };
  state: Record<string, string>;
  stateNoise: Record<string, number>;
}

const fixture = readFixture<Case>('training/training.safetensors');

async function lossOf({ teacher, config }: Case): Promise<Objective> {
  if (teacher === undefined) return new L1Loss();
  const path = fileURLToPath(new URL(`../../fixtures/data/training/${teacher}`, import.meta.url));
  return new GlobalPercLoss(await loadModel(path), GlobalPercConfig.fromJSON(config, { printData: false }));
}

const relative = (actual: number, expected: number): number => Math.abs(actual - expected) / Math.abs(expected);

describe('training runs against PyTorch', () => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const { inChannels, width, outChannels, depth } = test.unet;
    const student = new UNet(inChannels, width, outChannels, { depth });
    student.loadStateDict(stateOf(fixture, test.initial));
    const batches = test.batches.map(({ input, target }) => [input, target].map((key) => hostOf(fixture.tensor(key))));
    await using trainer = await Trainer.create(student, await lossOf(test), new AdamW(test.optimizer.options), {
      batch: batches[0]?.[0]?.dims ?? [],
    });
    for (let step = 0; step < test.steps; step += 1) {
      const [input, target] = batches[step % batches.length] as [ReturnType<typeof hostOf>, ReturnType<typeof hostOf>];
      const { loss, gradNorm, hooks } = await trainer.step(input, target);
      expect(relative(loss, test.losses[step] as number), `loss of step ${step}`).toBeLessThan(1e-3);
      if (step > 0) continue;
      expect(relative(gradNorm, test.gradNorms[0] as number), 'norm of the first gradient').toBeLessThan(1e-3);
      const first = test.hookLosses?.first ?? [];
      expect(hooks.length).toBe(first.length);
      for (const [i, expected] of first.entries())
        expect(relative(hooks[i]?.loss as number, expected), `hook ${i}`).toBeLessThan(1e-3);
    }
    await trainer.synchronize();
    const state = student.stateDict();
    for (const [name, key] of Object.entries(test.state)) {
      // The fixture knows how far a weight strays from rounding alone; biases start at 0 and stray most.
      const tolerance = Math.max(1e-3, 4 * (test.stateNoise[name] ?? 0));
      const actual = Array.from(state[name]?.data as ArrayLike<number | bigint>, Number);
      expect(relativeError(actual, numbersOf(fixture.tensor(key))), name).toBeLessThan(tolerance);
    }
  });
});
