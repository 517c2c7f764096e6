/** Playing a game: what is computed once, what is saved, what is refused. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CRITERIA } from '../../src/adversarial/criterion.js';
import { GameDescription, HEADS } from '../../src/adversarial/game.js';
import {
  type AdversarialOptions,
  AdversarialTrainer,
  GlobalPercLossDiscriminator,
} from '../../src/adversarial/index.js';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  L1Loss,
  RKDDistanceLoss,
  TeacherStudentLoss,
  WeightedLoss,
} from '../../src/loss/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import { Conv2d, manualSeed } from '../../src/nn/public.js';
import { Adam, AdamW, SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { runSteps } from '../../src/runtime/index.js';
import { type Checkpoint, toOnnx } from '../../src/train/index.js';
import { recipeOf } from '../../src/train/options.js';
import { draftStep } from '../../src/train/step.js';
import { expectClose } from '../support/run.js';

const teacher = (): Promise<Model> =>
  loadModel(fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url)));
const config = new GlobalPercConfig({ modulesToHook: [/features\.(10|13)$/], printData: false });
const SHAPE = [2, 3, 8, 8];

const image = (seed: number, dims = SHAPE) => {
  const generator = new Generator(seed);
  return { dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()) };
};

const options = (given: Partial<AdversarialOptions> = {}): AdversarialOptions => ({
  reconstruction: new L1Loss(),
  generatorOptimizer: new AdamW({ lr: 1e-3 }),
  discriminatorOptimizer: new Adam({ lr: 1e-3 }),
  batch: SHAPE,
  ...given,
});

async function game(given: Partial<AdversarialOptions> = {}): Promise<AdversarialTrainer> {
  manualSeed(4);
  const generator = new Conv2d(3, 3, 3, { padding: 1 });
  return AdversarialTrainer.create(generator, new GlobalPercLossDiscriminator(await teacher(), config), options(given));
}

const bytes = (checkpoint: Checkpoint): string =>
  Object.entries(checkpoint)
    .map(([name, file]) => `${name} ${Buffer.from(file).toString('base64')}`)
    .join('\n');

describe('a game', () => {
  it('goes on from a checkpoint, bit by bit', async () => {
    const batches = Array.from({ length: 4 }, (_, i) => [image(2 * i), image(2 * i + 1)] as const);
    await using whole = await game({ ema: 0.9 });
    let half: Checkpoint | undefined;
    for (const [i, batch] of batches.entries()) {
      await whole.step(...batch);
      if (i === 1) half = await whole.checkpoint();
    }
    await using resumed = await game({ ema: 0.9 });
    await resumed.restore(half as Checkpoint);
    expect(resumed.steps).toBe(2);
    for (const batch of batches.slice(2)) await resumed.step(...batch);
    expect(bytes(await resumed.checkpoint())).toBe(bytes(await whole.checkpoint()));
    expect(Object.keys(await resumed.emaStateDict())).toEqual(['weight', 'bias']);
  });

  it('trains what it was given, and leaves the teacher out of what is saved', async () => {
    await using gan = await game();
    const heads = gan.discriminator.heads;
    const [before, trained] = [heads.stateDict(), gan.generator.stateDict()];
    await gan.step(image(0), image(1));
    await gan.synchronize();
    for (const [name, { data }] of Object.entries(trained))
      expect(gan.generator.stateDict()[name]?.data).not.toEqual(data);
    const now = heads.stateDict();
    expect(Object.keys(now)).toHaveLength(10 * gan.discriminator.hooks.length);
    for (const [name, { data }] of Object.entries(before)) expect(now[name]?.data, name).not.toEqual(data);
    expect((await toOnnx(gan.generator)).length).toBeGreaterThan(0);
    expect((await gan.predict(image(0))).dims).toEqual(SHAPE);
  });

  it('adds losses up, and weighs them', async () => {
    for (const weight of ['adaptive', 0.25] as const) {
      await using gan = await game({ weight });
      const result = await gan.step(image(0), image(1));
      expect(result.discriminator).toBeCloseTo(result.real + result.fake, 4);
      if (weight !== 'adaptive') expect(result.weight).toBe(weight);
      expect(result.discriminatorGradNorm).toBeGreaterThan(0);
    }
  });

  it('augments with other numbers in each step, which are those of the run', async () => {
    const given = { augment: ['color', 'translation', 'cutout'], generatorOptimizer: new SGD({ lr: 0 }) } as const;
    const frozen = { ...given, discriminatorOptimizer: new SGD({ lr: 0 }), weight: 1 };
    const losses = async (): Promise<number[]> => {
      await using gan = await game(frozen);
      const found: number[] = [];
      for (let i = 0; i < 3; i += 1) found.push((await gan.step(image(0), image(1))).real);
      return found;
    };
    const once = await losses();
    expect(new Set(once).size).toBe(3);
    expect(await losses()).toEqual(once);
  });

  it('takes means over steps for both networks', async () => {
    const rules = { generatorOptimizer: new SGD({ lr: 0.1 }), discriminatorOptimizer: new SGD({ lr: 0.1 }), weight: 1 };
    const trained = async (accumulate: number): Promise<number[]> => {
      await using gan = await game({ ...rules, accumulate, clipGradNorm: 0.5 });
      for (let i = 0; i < accumulate; i += 1) await gan.step(image(0), image(1));
      await gan.synchronize();
      return [gan.generator, gan.discriminator.heads].flatMap((module) =>
        Object.values(module.stateDict()).flatMap(({ data }) => Array.from(data as Float32Array)),
      );
    };
    expectClose(await trained(2), await trained(1), 1e-6, 'weights');
  });

  it('does without a reconstruction loss', async () => {
    manualSeed(4);
    const discriminator = new GlobalPercLossDiscriminator(await teacher(), config);
    const { reconstruction: _, ...rest } = options();
    await using gan = await AdversarialTrainer.create(new Conv2d(3, 3, 1), discriminator, rest);
    expect(await gan.step(image(0), image(1))).toMatchObject({ step: 1, reconstruction: 0, weight: 1 });
  });
});

describe('the teacher', () => {
  const hooking = (...modulesToHook: RegExp[]) => new GlobalPercConfig({ modulesToHook, printData: false });

  it.each([
    ['the same hooks', config],
    ['earlier hooks', hooking(/features\.[02]$/)],
    ['later hooks', hooking(/features\.12$/)],
  ] as const)('sees each image once for both networks, a loss of %s and distillation', async (_, other) => {
    const model = await teacher();
    const student = new Conv2d(3, 3, 1);
    const pairs = [['', 'features.5']] as const;
    const distillation = { pairs, projector: 'linear', lossFunc: new RKDDistanceLoss() } as const;
    const reconstruction = new WeightedLoss([
      [new GlobalPercLoss(model, other), 1],
      [new TeacherStudentLoss(model, student, config, { ...distillation, teacherInput: 'target' }), 1],
      [new TeacherStudentLoss(model, student, config, distillation), 1],
    ]);
    const rules = { weight: 1, criterion: CRITERIA.bce, augment: [], r1: 0 };
    const discriminator = new GlobalPercLossDiscriminator(model, config);
    const description = new GameDescription({ discriminator, reconstruction, ...rules });
    const target = { dtype: 'float32', shape: SHAPE } as const;
    const recipe = recipeOf(student, { description }, new SGD(), { batch: SHAPE, target });
    const adversary = { name: HEADS, optimizer: new SGD() };
    const { graph } = await runSteps(draftStep({ ...recipe, adversary }, {}));
    const nodesWith = (shape: readonly number[]) =>
      graph.nodes.filter(({ op, inputs }) => op === 'Conv' && String(inputs[1]?.shape) === String(shape));
    // The teacher's first convolution: of what is made, of what is wanted, and of what the student is given.
    expect(nodesWith([8, 3, 3, 3])).toHaveLength(3);
    const names = graph.inputs.map(({ name }) => name);
    for (const owned of [`${HEADS}.0.linear.weight`, 'reconstruction.1.0.weight', 'reconstruction.2.0.weight'])
      expect(names).toContain(`model:objective:${owned}`);
  });
});

describe('what does not fit is refused', () => {
  it.each([
    [{ weight: -1 }, /AdversarialTrainer: weight should be a number from 0 on, got -1/],
    [{ weight: 'other' as never }, /AdversarialTrainer: weight should be 'adaptive' or a number/],
    [{ loss: 'wgan' as never }, /AdversarialTrainer: loss should be/],
    [{ generatorOptimizer: undefined as never }, /AdversarialTrainer: 'generatorOptimizer' is missing/],
    [{ accumulat: 1 } as never, /'accumulat' is not known.*'accumulate'/],
    [{ batch: [2, 3, 8] }, /Conv2d/],
  ] as [Partial<AdversarialOptions>, RegExp][])('%#', async (given, message) => {
    await expect(game(given)).rejects.toThrow(message);
  });

  it('heads that are not there, or were made for other images', async () => {
    const discriminator = new GlobalPercLossDiscriminator(await teacher(), config);
    expect(() => discriminator.heads).toThrow(/await discriminator.generateDisc\(\[B, C, H, W\]\)/);
    await discriminator.generateDisc([1, 3, 12, 12]);
    const creating = AdversarialTrainer.create(new Conv2d(3, 3, 1), discriminator, options());
    await expect(creating).rejects.toThrow(/was made for \[32,3,3\], a sample there is \[32,2,2\]/);
  });

  it('a discriminator that is frozen, and another optimiser behind a checkpoint', async () => {
    await using gan = await game();
    const checkpoint = await gan.checkpoint();
    await using other = await game({ discriminatorOptimizer: new AdamW() });
    await expect(other.restore(checkpoint)).rejects.toThrow('optimizer AdamW, Adam, this trainer has AdamW, AdamW');
    gan.discriminator.heads.freeze();
    const creating = AdversarialTrainer.create(new Conv2d(3, 3, 1), gan.discriminator, options());
    await expect(creating).rejects.toThrow('the discriminator has no parameter to train');
  });

  it('a label that is none', async () => {
    const discriminator = await new GlobalPercLossDiscriminator(await teacher(), config).generateDisc(SHAPE);
    await expect(discriminator.evaluate(image(0), image(1))).rejects.toThrow('the target is the label, one number');
  });
});
