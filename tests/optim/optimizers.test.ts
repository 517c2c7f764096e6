/** Optimisers, schedules, clipping, accumulation and averages through a Trainer, against stored PyTorch runs. */
import { describe, expect, it } from 'vitest';
import { MSELoss } from '../../src/loss/index.js';
import { Linear, Sequential, Tanh } from '../../src/nn/index.js';
import * as optim from '../../src/optim/index.js';
import { lrScheduler, type Optimizer } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { expectClose } from '../support/run.js';
import { hostOf, readFixture, stateOf } from '../support/safetensors.js';

interface Spec {
  class: string;
  options: Record<string, unknown>;
}

interface Case {
  name: string;
  optimizer: Spec;
  groups?: { pattern: string; options: object }[];
  schedule?: Spec;
  clipGradNorm?: number;
  clipGradValue?: number;
  accumulate?: number;
  ema?: number;
  initial: Record<string, string>;
  inputs: string[];
  targets: string[];
  losses: number[];
  gradNorms: number[];
  lrs: number[];
  state: Record<string, string>;
  emaState?: Record<string, string>;
}

const fixture = readFixture<Case>('optimizers/optimizers.safetensors');
const OPTIMIZERS = optim as unknown as Record<string, new (options: object) => Optimizer>;

function scheduleOf({ class: name, options }: Spec): lrScheduler.LRScheduler {
  if (name === 'SequentialLR') {
    const { schedulers, milestones } = options as { schedulers: Spec[]; milestones: number[] };
    return new lrScheduler.SequentialLR(schedulers.map(scheduleOf), milestones);
  }
  const Schedule = lrScheduler[name as 'StepLR'] as new (options: object) => lrScheduler.LRScheduler;
  return new Schedule(options);
}

function optimizerOf({ optimizer, schedule, groups }: Case): Optimizer {
  const Class = OPTIMIZERS[optimizer.class] as new (options: object) => Optimizer;
  return new Class({
    ...optimizer.options,
    ...(schedule && { schedule: scheduleOf(schedule) }),
    ...(groups && { groups: groups.map(({ pattern, options }) => ({ parameters: new RegExp(pattern), ...options })) }),
  });
}

const relative = (actual: number, expected: number): number => Math.abs(actual - expected) / Math.abs(expected);

describe('optimisers against PyTorch', () => {
  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const student = new Sequential(new Linear(5, 8), new Tanh(), new Linear(8, 3)).loadStateDict(
      stateOf(fixture, test.initial),
    );
    const inputs = test.inputs.map((key) => hostOf(fixture.tensor(key)));
    const { clipGradNorm, clipGradValue, accumulate = 1, ema } = test;
    await using trainer = await Trainer.create(student, new MSELoss(), optimizerOf(test), {
      batch: inputs[0]?.dims ?? [],
      accumulate,
      ...(clipGradNorm !== undefined && { clipGradNorm }),
      ...(clipGradValue !== undefined && { clipGradValue }),
      ...(ema !== undefined && { ema }),
    });
    const base = Math.max(...test.lrs);
    for (const [i, input] of inputs.entries()) {
      const { loss, gradNorm, lr } = await trainer.step(input, hostOf(fixture.tensor(test.targets[i] as string)));
      expect(relative(loss, test.losses[i] as number), `loss ${i}`).toBeLessThan(1e-4);
      if ((i + 1) % accumulate !== 0) continue;
      const step = (i + 1) / accumulate - 1;
      expect(relative(gradNorm, test.gradNorms[step] as number), `gradient norm ${step}`).toBeLessThan(1e-4);
      expect(Math.abs(lr - (test.lrs[step] as number)), `learning rate ${step}`).toBeLessThan(1e-6 * base);
    }
    if (test.emaState) {
      const average = await trainer.emaStateDict();
      for (const [name, key] of Object.entries(test.emaState)) {
        expectClose(average[name]?.data as Float32Array, fixture.tensor(key), 1e-4, `average ${name}`);
      }
    }
    await trainer.synchronize();
    const state = student.stateDict();
    for (const [name, key] of Object.entries(test.state)) {
      expectClose(state[name]?.data as Float32Array, fixture.tensor(key), 1e-4, name);
    }
  });
});
