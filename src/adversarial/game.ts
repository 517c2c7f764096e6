/** What generator and discriminator make smaller in one step: a loss that a Trainer runs. */
import { gradient } from '../autodiff/index.js';
import type { Tensor } from '../graph/index.js';
import {
  adaptiveFactor,
  type Comparison,
  descriptionOf,
  type Features,
  type LossDescription,
  type Objective,
  type Scene,
  type StudentScene,
  SumDescription,
} from '../loss/index.js';
import { type AnyModule, ModuleDict } from '../nn/index.js';
import type { Steps } from '../runtime/index.js';
import { type Augmentation, augmented } from './augment.js';
import type { Criterion } from './criterion.js';
import type { GlobalPercLossDiscriminator } from './discriminator.js';

/** Factor of the generator's adversarial loss; `adaptive` balances the gradients. */
export type AdversarialWeight = 'adaptive' | number;

/** The name of the heads in what a game owns. */
export const HEADS = 'discriminator';

/** What a game is played with. */
export interface Rules {
  readonly discriminator: GlobalPercLossDiscriminator;
  readonly reconstruction: Objective | undefined;
  readonly weight: AdversarialWeight;
  readonly criterion: Criterion;
  /** What is done to the images that the discriminator sees, real and made alike. */
  readonly augment: readonly Augmentation[];
  /** Factor γ of the penalty γ/2 · Σ wᵢ·mean ‖∂logitsᵢ/∂activationᵢ‖² of real images; 0 is none. */
  readonly r1: number;
}

/**
 * The generator's loss is reconstruction + weight · Σ wᵢ·mean generator(fakeᵢ), the discriminator's Σ wᵢ·mean real(realᵢ) + Σ wᵢ·mean fake(fakeᵢ), of logits at
 * hooks i. Activations are those of one pass for each image, for both and for a perceptual reconstruction loss that reads alike.
 */
export class GameDescription extends SumDescription {
  private readonly rules: Rules;

  constructor(rules: Rules) {
    const judged: Objective = { description: seenBy(rules) };
    super([...(rules.reconstruction ? [[rules.reconstruction, 1] as const] : []), [judged, 1]]);
    this.rules = rules;
  }

  /** The heads – where there are none, some for what the generator makes –, and what the reconstruction loss owns. */
  override *owned(scene: Scene): Steps<AnyModule> {
    const { discriminator, reconstruction: objective } = this.rules;
    const judged = objective && descriptionOf(objective);
    const reconstruction = judged?.owned && (yield* judged.owned(scene));
    const heads = discriminator.headsFor(yield* discriminator.description.prediction(scene));
    return new ModuleDict<AnyModule>({ [HEADS]: heads, ...(reconstruction && { reconstruction }) });
  }

  override compare(prediction: readonly Features[], target: readonly Features[], scene: Scene): Comparison {
    const { discriminator, reconstruction: objective, criterion } = this.rules;
    const [made, real] = [prediction, target].map((features) =>
      discriminator.description.logits(features.at(-1) as readonly Tensor[]),
    ) as [Tensor[], Tensor[]];
    const summed = (of: (x: Tensor) => Tensor, logits: readonly Tensor[]): Tensor =>
      logits
        .map((x, i) =>
          of(x)
            .mean()
            .mul(discriminator.weights[i] as number),
        )
        .reduce((sum, term) => sum.add(term));
    const penalty = this.penalty(real, target.at(-1) as readonly Tensor[]);
    const judged = {
      generator: summed(criterion.generator, made),
      real: summed(criterion.real, real),
      fake: summed(criterion.fake, made),
    };
    const sum = judged.real.add(judged.fake);
    const adversary = penalty ? sum.add(penalty) : sum;
    const given = [prediction[0], target[0]] as [Features, Features];
    const reconstruction = objective && descriptionOf(objective).compare(...given, scene);
    const balanced = this.balanced(reconstruction?.loss.reshape([]), judged.generator, scene);
    const logged = {
      ...reconstruction?.logged,
      ...judged,
      discriminator: adversary,
      ...(penalty && { penalty }),
      ...(reconstruction && { reconstruction: reconstruction.loss }),
      ...(balanced.weight && { weight: balanced.weight }),
    };
    return { hooks: [], summands: [], ...reconstruction, loss: balanced.loss, adversary, logged };
  }

  /** R1 on the activations (Mescheder et al. 2018, arXiv:1801.04406): exact, by a second derivative of the heads; the teacher needs none. */
  private penalty(logits: readonly Tensor[], activations: readonly Tensor[]): Tensor | undefined {
    const { r1, discriminator } = this.rules;
    if (r1 === 0) return undefined;
    const terms = logits.map((x, i) => {
      const [slope] = gradient(x.sum(), [activations[i] as Tensor]) as [Tensor];
      return slope
        .square()
        .sum()
        .mul(((r1 / 2) * (discriminator.weights[i] as number)) / slope.dim(0));
    });
    return terms.reduce((sum, term) => sum.add(term));
  }

  /** The generator's loss; the weight where it is computed. */
  private balanced(
    reconstruction: Tensor | undefined,
    generator: Tensor,
    scene: Scene,
  ): { readonly loss: Tensor; readonly weight?: Tensor } {
    const { weight } = this.rules;
    if (reconstruction === undefined) return { loss: generator.mul(weight === 'adaptive' ? 1 : weight) };
    if (weight !== 'adaptive') return { loss: reconstruction.add(generator.mul(weight)) };
    const balance = adaptiveFactor(reconstruction, generator, scene.student as StudentScene);
    return { loss: reconstruction.add(generator.mul(balance)), weight: balance };
  }
}

/** Reads images as a perceptual loss does, and one that is not augmented in the same pass. */
function seenBy(rules: Rules): LossDescription<readonly Tensor[]> {
  const { teacher } = rules.discriminator.description;
  if (rules.augment.length === 0) return teacher;
  const [low, high] = teacher.config.inputRange ?? [0, 1];
  const seen = (image: Tensor, scene: Scene) =>
    teacher.activations(augmented(image, rules.augment, scene.draws, rules, high - low), scene);
  return {
    openInputs: teacher.openInputs,
    files: teacher.files,
    prediction: (scene) => seen(scene.output, scene),
    target: (scene) => seen(scene.target, scene),
    compare: (prediction, target, scene) => teacher.compare(prediction, target, scene),
    inspect: (name, image) => teacher.inspect(name, image),
  };
}
