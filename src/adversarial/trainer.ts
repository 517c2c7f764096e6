/** Trains a generator against a discriminator. */
import { GlobalPercError } from '../graph/index.js';
import type { CallOptions, HookLoss, Objective } from '../loss/index.js';
import type { TensorLike } from '../model/index.js';
import type { AnyModule, StateDict } from '../nn/index.js';
import type { Optimizer } from '../optim/index.js';
import {
  type Check,
  type Checks,
  checkOptions,
  instanceOf,
  listOf,
  number,
  oneOf,
  refused,
  required,
} from '../options/index.js';
import type { Checkpoint, Prediction, PredictOptions, StepInput, TrainerOptions } from '../train/index.js';
import { Trainer } from '../train/index.js';
import { isObjective, isOptimizer, isStudent, recipeOf } from '../train/options.js';
import type { Augmentation } from './augment.js';
import { type AdversarialLoss, CRITERIA } from './criterion.js';
import { GlobalPercLossDiscriminator } from './discriminator.js';
import { type AdversarialWeight, GameDescription, HEADS } from './game.js';

/** Options of `AdversarialTrainer.create`, beside those of `Trainer.create`; limits of gradients hold for each network by itself, `ema` is the generator's. */
export interface AdversarialOptions extends Omit<TrainerOptions, 'mask' | 'target'> {
  /** What the generator's output should be like beside real: any loss. Default: nothing. */
  readonly reconstruction?: Objective;
  /**
   * Factor of the generator's adversarial loss. Default `adaptive`: the ratio of the lengths of both gradients at the generator's last
   * layer, as in VQGAN; 1 without a reconstruction loss.
   */
  readonly weight?: AdversarialWeight;
  /** `bce` (default; non-saturating), `hinge` or `leastSquares`. */
  readonly loss?: AdversarialLoss;
  /**
   * Random changes of the images that the discriminator sees, in this order and the same for the real image and the made one of a step: `color`, `translation`,
   * `cutout`, as in DiffAugment. Default none.
   */
  readonly augment?: readonly Augmentation[];
  /**
   * Factor γ of an R1 penalty of the discriminator's slopes at real images, γ/2 · Σ wᵢ·mean ‖∂logitsᵢ/∂activationᵢ‖². It is taken at the activations, not
   * at the pixels: no second derivative of the teacher is needed. Default 0.
   */
  readonly r1?: number;
  readonly generatorOptimizer: Optimizer;
  readonly discriminatorOptimizer: Optimizer;
}

type Own = Pick<
  AdversarialOptions,
  'reconstruction' | 'weight' | 'loss' | 'augment' | 'r1' | 'generatorOptimizer' | 'discriminatorOptimizer'
>;

const isWeight: Check<AdversarialWeight> = (value, where) => {
  if (value === 'adaptive') return value;
  if (typeof value === 'number') return number({ least: 0 })(value, where);
  throw refused(where, "'adaptive' or a number from 0 on", value);
};

const OPTIONS: Checks<Own> = {
  reconstruction: isObjective,
  weight: isWeight,
  loss: oneOf('bce', 'hinge', 'leastSquares'),
  augment: listOf(oneOf('color', 'translation', 'cutout')),
  r1: number({ least: 0 }),
  generatorOptimizer: required(isOptimizer),
  discriminatorOptimizer: required(isOptimizer),
};

const isDiscriminator = instanceOf(GlobalPercLossDiscriminator, 'a GlobalPercLossDiscriminator');

/** What one step of both networks gives back. */
export interface AdversarialResult {
  /** Steps taken, with this one. */
  readonly step: number;
  /** The generator's adversarial loss, before its weight. */
  readonly generator: number;
  /** The discriminator's loss: real + fake + penalty. */
  readonly discriminator: number;
  /** The discriminator's loss on real images. */
  readonly real: number;
  /** The discriminator's loss on those of the generator. */
  readonly fake: number;
  /** The R1 penalty; 0 without one. */
  readonly penalty: number;
  /** The reconstruction loss; 0 without one. */
  readonly reconstruction: number;
  /** Factor of `generator` in what the generator makes smaller: reconstruction + weight · generator. */
  readonly weight: number;
  /** Losses of the hooks of the reconstruction loss. */
  readonly hooks: readonly HookLoss[];
  /** Norm of all gradients of the generator together, before clipping. */
  readonly gradNorm: number;
  readonly discriminatorGradNorm: number;
  /** Learning rate of the generator in this step. */
  readonly lr: number;
  /** Further numbers that the reconstruction loss reports, by name. */
  readonly logged: Readonly<Record<string, number>>;
}

/**
 * Trains a generator and the heads of a discriminator against each other. A step moves both, each down the gradient at the weights of before: in
 * PyTorch, the generator first, then the discriminator on the same `fake.detach()`, as BasicSR's ESRGAN does it. All of it is one graph, in which
 * the teacher sees each image once.
 *
 * @example
 * const gan = await AdversarialTrainer.create(generator, new GlobalPercLossDiscriminator(teacher, config), {
 *   reconstruction: new nn.L1Loss(),
 *   generatorOptimizer: new optim.AdamW({ lr: 1e-4 }),
 *   discriminatorOptimizer: new optim.AdamW({ lr: 1e-4 }),
 *   batch: [8, 3, 32, 32],
 * });
 * const { generator, discriminator } = await gan.step(input, target);
 */
export class AdversarialTrainer implements AsyncDisposable {
  readonly generator: AnyModule;
  readonly discriminator: GlobalPercLossDiscriminator;
  private readonly trainer: Trainer;
  private readonly weight: number;

  private constructor(trainer: Trainer, discriminator: GlobalPercLossDiscriminator, weight: number) {
    this.generator = trainer.student;
    this.discriminator = discriminator;
    this.trainer = trainer;
    this.weight = weight;
  }

  /**
   * Compiles the step of both networks. Heads that the discriminator has go on training; where it has none, it is given some.
   * @throws GlobalPercError when the networks, the loss and the batch's shape do not fit together, or an option is out of range.
   */
  static async create(
    generator: AnyModule,
    discriminator: GlobalPercLossDiscriminator,
    given: AdversarialOptions,
  ): Promise<AdversarialTrainer> {
    isStudent(generator, 'AdversarialTrainer: generator');
    isDiscriminator(discriminator, 'AdversarialTrainer: discriminator');
    const { reconstruction, weight, loss, augment, r1, generatorOptimizer, discriminatorOptimizer, ...options } = given;
    const own = { reconstruction, weight, loss, augment, r1, generatorOptimizer, discriminatorOptimizer };
    const rules = checkOptions(own, OPTIONS, 'AdversarialTrainer');
    requireSteps(rules);
    const factor = rules.weight ?? (reconstruction ? 'adaptive' : 1);
    const game = new GameDescription({
      ...{ discriminator, reconstruction, weight: factor, criterion: CRITERIA[rules.loss ?? 'bce'] },
      ...{ augment: rules.augment ?? [], r1: rules.r1 ?? 0 },
    });
    const recipe = recipeOf(generator, { description: game }, generatorOptimizer, options);
    const trainer = await Trainer.of(
      { ...recipe, adversary: { name: HEADS, optimizer: discriminatorOptimizer } },
      options,
    );
    return new AdversarialTrainer(trainer, discriminator, factor === 'adaptive' ? 1 : factor);
  }

  /** Steps taken, those of the run it was resumed from included. */
  get steps(): number {
    return this.trainer.steps;
  }

  /**
   * One step of both networks.
   * @param target real images of the shape that the generator makes.
   * @throws GlobalPercError as `Trainer.step` does.
   */
  async step(input: StepInput, target: TensorLike, options: CallOptions = {}): Promise<AdversarialResult> {
    const { logged: all, loss: _, ...result } = await this.trainer.step(input, target, options);
    const { generator, discriminator, real, fake, adversaryGradNorm, ...rest } = all as Logged;
    const { penalty = 0, reconstruction = 0, weight = this.weight, ...logged } = rest;
    const judged = { generator, discriminator, real, fake, penalty, reconstruction, weight };
    return { ...result, ...judged, discriminatorGradNorm: adversaryGradNorm, logged };
  }

  /** What the generator makes, as `Trainer.predict`. */
  predict(input: StepInput, options: PredictOptions = {}): Promise<Prediction> {
    return this.trainer.predict(input, options);
  }

  /** Brings the present weights of both networks into their modules; `dispose` has done so for the last time. */
  synchronize(): Promise<void> {
    return this.trainer.synchronize();
  }

  /** The generator's averaged weights. @throws GlobalPercError when there is no `ema`. */
  emaStateDict(): Promise<StateDict> {
    return this.trainer.emaStateDict();
  }

  /** Everything needed to go on exactly from here, as `Trainer.checkpoint`: the generator in `model.safetensors`, the heads, as `discriminator.…`, in `objective.safetensors`. */
  checkpoint(): Promise<Checkpoint> {
    return this.trainer.checkpoint();
  }

  /** Goes on from a checkpoint. Throws as `Trainer.restore` does. */
  restore(checkpoint: Checkpoint, source?: string): Promise<void> {
    return this.trainer.restore(checkpoint, source);
  }

  /** Writes a checkpoint into a folder, as `Trainer.save`. Node only. */
  save(folder: string): Promise<void> {
    return this.trainer.save(folder);
  }

  /** Goes on from the last checkpoint of a folder. Throws as `Trainer.load` does. */
  load(folder: string): Promise<void> {
    return this.trainer.load(folder);
  }

  /** Frees sessions and state; both networks keep the last weights. */
  dispose(): Promise<void> {
    return this.trainer.dispose();
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

type Logged = Pick<AdversarialResult, 'generator' | 'discriminator' | 'real' | 'fake'> &
  Partial<Pick<AdversarialResult, 'penalty' | 'reconstruction' | 'weight'>> & { readonly adversaryGradNorm: number };

/** @throws GlobalPercError for a schedule that a metric moves: there is none. */
function requireSteps(rules: Pick<Own, 'generatorOptimizer' | 'discriminatorOptimizer'>): void {
  for (const name of ['generatorOptimizer', 'discriminatorOptimizer'] as const) {
    if (rules[name].schedule.next === undefined) continue;
    throw new GlobalPercError(
      `AdversarialTrainer: ${name}: no metric is told that would move its schedule; take one of steps, such as StepLR`,
      { code: 'invalid-option' },
    );
  }
}
