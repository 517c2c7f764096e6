/** The teacher as a discriminator against PyTorch: logits, losses, gradients, steps of both networks. See `fixtures/make_adversarial.py`. */
import { describe, expect, it } from 'vitest';
import { concat, numbersOf, type Tensor } from '../../src/graph/index.js';
import { Loss, type LossDescription } from '../../src/loss/index.js';
import { type AnyModule, Module } from '../../src/nn/public.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { cases, discriminatorOf, expectGame, fixture, image, number, numbersIn } from '../support/adversarial.js';
import { expectClose } from '../support/run.js';

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

it('twenty steps of both networks', async () => {
  // tests/slow/adversarial.test.ts has the others.
  await expectGame(fixture.cases[0] as (typeof fixture.cases)[0]);
});
