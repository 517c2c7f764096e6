/** Stored games of a generator against heads on a teacher: see `fixtures/make_adversarial.py`. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import {
  type AdversarialLoss,
  type AdversarialResult,
  AdversarialTrainer,
  GlobalPercLossDiscriminator,
  type HeadKind,
} from '../../src/adversarial/index.js';
import { numbersOf, type Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, L1Loss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { type AnyModule, Conv2d, functional, Module, type StateDict } from '../../src/nn/public.js';
import { Adam, AdamW } from '../../src/optim/index.js';
import { relativeError } from './run.js';
import { hostOf, readFixture, stateOf } from './safetensors.js';

type Keys = Record<string, string>;

export interface Case {
  name: string;
  kind: HeadKind;
  teacher: string;
  config: object;
  input: string;
  target: string;
  heads: Keys;
  generator: Keys;
  logits: string[];
  label: Record<'real' | 'fake', { loss: number; grad: string }>;
  headGradients: Keys;
  buffers: Keys;
  lr?: { generator: number; discriminator: number };
  weight: number | 'adaptive';
  r1: number;
  loss: AdversarialLoss;
  steps: Omit<AdversarialResult, 'step' | 'hooks' | 'lr' | 'penalty'>[];
  state: { generator: Keys; discriminator: Keys };
  stateNoise: { generator: Record<string, number>; discriminator: Record<string, number> };
}

class Generator extends Module {
  first = new Conv2d(3, 6, 3, { padding: 1 });
  last = new Conv2d(6, 3, 3, { padding: 1 });
  override forward(x: Tensor): Tensor {
    return x.add(this.last(functional.gelu(this.first(x))));
  }
}

export const fixture = readFixture<Case>('adversarial/adversarial.safetensors');
export const image = (key: string) => hostOf(fixture.tensor(key));
export const cases = fixture.cases.map((test) => ({ label: test.name, test }));
export const number = (value: number) => ({ dims: [], data: Float32Array.of(value) });

export async function discriminatorOf({
  kind,
  teacher,
  config,
  heads,
  target,
}: Case): Promise<GlobalPercLossDiscriminator> {
  const path = fileURLToPath(new URL(`../../fixtures/data/${teacher}`, import.meta.url));
  const discriminator = new GlobalPercLossDiscriminator(
    await loadModel(path),
    GlobalPercConfig.fromJSON(config, { printData: false }),
    { heads: kind },
  );
  await discriminator.generateDisc(image(target).dims);
  discriminator.heads.loadStateDict(stateOf(fixture, heads));
  return discriminator;
}

export const numbersIn = (state: StateDict, name: string): number[] =>
  Array.from(state[name]?.data as ArrayLike<number | bigint>, Number);

async function expectState(module: AnyModule, keys: Keys, noise: Record<string, number>): Promise<void> {
  await module.synchronize();
  const state = module.stateDict();
  expect(Object.keys(state).sort()).toEqual(Object.keys(keys).sort());
  for (const [name, key] of Object.entries(keys)) {
    const error = relativeError(numbersIn(state, name), numbersOf(fixture.tensor(key)));
    expect(error, name).toBeLessThan(Math.max(1e-3, 4 * (noise[name] ?? 0)));
  }
}

/** Twenty steps of both networks. */
export async function expectGame(test: Case): Promise<void> {
  const generator = new Generator();
  generator.loadStateDict(stateOf(fixture, test.generator));
  const discriminator = await discriminatorOf(test);
  await using gan = await AdversarialTrainer.create(generator, discriminator, {
    reconstruction: new L1Loss(),
    weight: test.weight,
    loss: test.loss,
    r1: test.r1,
    generatorOptimizer: new AdamW({ lr: test.lr?.generator ?? 0 }),
    discriminatorOptimizer: new Adam({ lr: test.lr?.discriminator ?? 0 }),
    batch: image(test.input).dims,
  });
  for (const [i, expected] of test.steps.entries()) {
    const result = await gan.step(image(test.input), image(test.target));
    for (const [name, value] of Object.entries(expected)) {
      const found = result[name as keyof typeof expected] as number;
      expect(Math.abs(found / (value as number) - 1), `${name} of step ${i}`).toBeLessThan(1e-3);
    }
  }
  await expectState(generator, test.state.generator, test.stateNoise.generator);
  await expectState(discriminator.heads, test.state.discriminator, test.stateNoise.discriminator);
}
