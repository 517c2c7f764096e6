/** Trains a generator against a discriminator. */
import type { Shape, Tensor } from '../graph/index.js';
import type { CallOptions, HookLoss, Objective } from '../loss/index.js';
import type { TensorLike } from '../model/index.js';
import { type AnyModule, Module, type Outputs, type StateDict } from '../nn/index.js';
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
import { draftPrediction } from '../train/step.js';
import type { Augmentation } from './augment.js';
import { type AdversarialLoss, CRITERIA } from './criterion.js';
import { GlobalPercLossDiscriminator } from './discriminator.js';
import { type AdversarialWeight, GameDescription } from './game.js';

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

  private constructor(players: Players, discriminator: GlobalPercLossDiscriminator, trainer: Trainer, weight: number) {
    this.generator = players.generator;
    this.discriminator = discriminator;
    this.trainer = trainer;
    this.weight = weight;
    for (const player of players.children()) player.keepBy(trainer);
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
    const factor = rules.weight ?? (reconstruction ? 'adaptive' : 1);
    const game = new GameDescription({
      ...{ discriminator, reconstruction, weight: factor, criterion: CRITERIA[rules.loss ?? 'bce'] },
      ...{ augment: rules.augment ?? [], r1: rules.r1 ?? 0 },
    });
    if (!discriminator.hasHeads) {
      const alone = recipeOf(generator, { description: game }, generatorOptimizer, options);
      await generator.prepare(...alone.inputs.shapes);
      await discriminator.generateDisc(draftPrediction(alone).details.output);
    }
    const players = new Players(generator, discriminator.heads);
    const recipe = recipeOf(players, { description: game }, generatorOptimizer, options);
    const adversary = { name: 'discriminator', optimizer: discriminatorOptimizer };
    const trainer = await Trainer.of({ ...recipe, adversary }, options);
    return new AdversarialTrainer(players, discriminator, trainer, factor === 'adaptive' ? 1 : factor);
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
    const { logged, loss: _, ...result } = await this.trainer.step(input, target, options);
    const { adversaryGradNorm, ...numbers } = logged as Logged;
    return {
      reconstruction: 0,
      penalty: 0,
      weight: this.weight,
      ...result,
      ...numbers,
      discriminatorGradNorm: adversaryGradNorm,
    };
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
  async emaStateDict(): Promise<StateDict> {
    const prefix = 'generator.';
    const own = Object.entries(await this.trainer.emaStateDict()).filter(([path]) => path.startsWith(prefix));
    return Object.fromEntries(own.map(([path, tensor]) => [path.slice(prefix.length), tensor]));
  }

  /** Everything needed to go on exactly from here, as `Trainer.checkpoint`; weights are named `generator.…` and `discriminator.…`. */
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

type Logged = Pick<AdversarialResult, 'generator' | 'discriminator' | 'real' | 'fake'> & {
  readonly adversaryGradNorm: number;
};

/** Both networks as one student, whose output is the generator's; the loss calls the heads. */
class Players extends Module<Outputs> {
  static readonly className = 'Players';
  readonly generator: AnyModule;
  readonly discriminator: AnyModule;

  constructor(generator: AnyModule, discriminator: AnyModule) {
    super();
    this.generator = generator;
    this.discriminator = discriminator;
  }

  override forward(...inputs: Tensor[]): Outputs {
    return this.generator(...inputs);
  }

  override async prepare(...shapes: readonly Shape[]): Promise<void> {
    await this.generator.prepare(...shapes);
  }

  override get inputNames(): readonly string[] | undefined {
    return this.generator.inputNames;
  }
}
