/** The teacher as a discriminator against PyTorch: logits, losses, gradients, twenty steps of both networks. See `fixtures/make_adversarial.py`. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type AdversarialLoss,
  type AdversarialResult,
  AdversarialTrainer,
  GlobalPercLossDiscriminator,
  type HeadKind,
} from '../../src/adversarial/index.js';
import { concat, numbersOf, type Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, L1Loss, Loss, type LossDescription } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { type AnyModule, Conv2d, functional, Module, type StateDict } from '../../src/nn/public.js';
import { Adam, AdamW, SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { expectClose, relativeError } from '../support/run.js';
import { hostOf, readFixture, stateOf } from '../support/safetensors.js';

type Keys = Record<string, string>;

interface Case {
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

const fixture = readFixture<Case>('adversarial/adversarial.safetensors');
const image = (key: string) => hostOf(fixture.tensor(key));
const cases = fixture.cases.map((test) => ({ label: test.name, test }));
const number = (value: number) => ({ dims: [], data: Float32Array.of(value) });

async function discriminatorOf({ kind, teacher, config, heads, target }: Case): Promise<GlobalPercLossDiscriminator> {
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

describe('the discriminator as PyTorch has it', () => {
  it.each(cases)('$label', async ({ test }) => {
    await using discriminator = await discriminatorOf(test);
    for (const [value, expected] of [[1, test.label.real] as const, [0, test.label.fake] as const]) {
      const { value: loss, grad } = await discriminator.valueAndGrad(image(test.target), number(value));
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-5);
      expectClose(grad.data, fixture.tensor(expected.grad), 1e-3, 'gradient of the image');
    }
  });
});

/** Heads as a student, which the discriminator's own loss trains. */
class Judge extends Module {
  readonly heads: AnyModule;
  constructor(heads: AnyModule) {
    super();
    this.heads = heads;
  }
  override forward(x: Tensor): Tensor {
    return x;
  }
}

describe('the heads as PyTorch has them', () => {
  it.each(cases)('$label: gradients', async ({ test }) => {
    const discriminator = await discriminatorOf(test);
    const before = discriminator.heads.stateDict();
    const judge = new Judge(discriminator.heads);
    await using trainer = await Trainer.create(judge, discriminator, new SGD({ lr: 1 }), {
      batch: image(test.target).dims,
    });
    await trainer.step(image(test.target), number(1));
    await trainer.synchronize();
    const after = discriminator.heads.stateDict();
    for (const [name, key] of Object.entries(test.buffers))
      expectClose(numbersIn(after, name), fixture.tensor(key), 1e-5, name);
    const names = Object.keys(test.headGradients);
    const changes = names.flatMap((name) => {
      const now = numbersIn(after, name);
      return numbersIn(before, name).map((value, i) => value - (now[i] as number));
    });
    const expected = names.flatMap((name) => numbersOf(fixture.tensor(test.headGradients[name] as string)));
    expectClose(changes, expected, 1e-4, 'gradients of the heads');
  });

  it.each(cases)('$label: logits', async ({ test }) => {
    await using discriminator = await discriminatorOf(test);
    const { teacher } = discriminator.description;
    /** Has a hook for every logit. */
    class Logits extends Loss {
      readonly description: LossDescription<readonly Tensor[]> = {
        prediction: (scene) => teacher.activations(scene.output, scene),
        target: (scene) => teacher.activations(scene.target, scene),
        compare: (activations) => {
          const found = discriminator.description.logits(activations).map((logits) => logits.reshape([-1]));
          const all = concat(found, 0);
          const hooks = Array.from({ length: all.size }, (_, index) => ({
            index,
            path: '',
            class: '',
            shape: [],
            weight: 1,
          }));
          const part = { samples: () => undefined, grid: undefined, withoutPlace: 0, map: () => undefined };
          return { loss: all.sum(), hookLosses: all, hooks, summands: [{ weight: 1, part }] };
        },
      };
    }
    await using loss = new Logits();
    const { hooks } = await loss.valueAndHooks(image(test.target), image(test.target));
    const expected = test.logits.flatMap((key) => numbersOf(fixture.tensor(key)));
    expectClose(
      hooks.map((hook) => hook.loss),
      expected,
      1e-5,
      'logits',
    );
  });
});

const numbersIn = (state: StateDict, name: string): number[] =>
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

describe('both networks, step by step', () => {
  it.each(cases.filter(({ test: { lr } }) => lr))('$label', async ({ test }) => {
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
  });
});
