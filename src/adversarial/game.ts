/** What generator and discriminator make smaller in one step: a loss that a Trainer runs. */
import { gradient } from '../autodiff/index.js';
import { GlobalPercError, type Tensor } from '../graph/index.js';
import {
  type Comparison,
  descriptionOf,
  type Features,
  type Objective,
  type Scene,
  SumDescription,
} from '../loss/index.js';
import { fuseAttention } from '../passes/index.js';
import type { Criterion } from './criterion.js';
import type { GlobalPercLossDiscriminator } from './discriminator.js';

/** Factor of the generator's adversarial loss; `adaptive` balances the gradients. */
export type AdversarialWeight = 'adaptive' | number;

/** What a game is played with. */
export interface Rules {
  readonly discriminator: GlobalPercLossDiscriminator;
  readonly reconstruction: Objective | undefined;
  readonly weight: AdversarialWeight;
  readonly criterion: Criterion;
}

/**
 * The generator's loss is reconstruction + weight · Σ wᵢ·mean generator(fakeᵢ), the discriminator's Σ wᵢ·mean real(realᵢ) + Σ wᵢ·mean fake(fakeᵢ), of logits at
 * hooks i. Activations are those of one pass for each image, for both and for a perceptual reconstruction loss that reads alike.
 */
export class GameDescription extends SumDescription {
  private readonly rules: Rules;

  constructor(rules: Rules) {
    // Read as a perceptual loss reads.
    const judged: Objective = { description: rules.discriminator.description.teacher };
    super([...(rules.reconstruction ? [[rules.reconstruction, 1] as const] : []), [judged, 1]]);
    this.rules = rules;
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
    const judged = {
      generator: summed(criterion.generator, made),
      real: summed(criterion.real, real),
      fake: summed(criterion.fake, made),
    };
    const adversary = judged.real.add(judged.fake);
    const given = [prediction[0], target[0]] as [Features, Features];
    const reconstruction = objective && descriptionOf(objective).compare(...given, scene);
    const balanced = this.balanced(reconstruction?.loss.reshape([]), judged.generator, scene);
    const logged = {
      ...judged,
      discriminator: adversary,
      ...(reconstruction && { reconstruction: reconstruction.loss }),
      ...(balanced.weight && { weight: balanced.weight }),
    };
    return { hooks: [], summands: [], ...reconstruction, loss: balanced.loss, adversary, logged };
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
    const balance = adaptiveWeight(reconstruction, generator, scene);
    return { loss: reconstruction.add(generator.mul(balance)), weight: balance };
  }
}

/**
 * ‖∇reconstruction‖/(‖∇generator‖ + 10⁻⁴), at most 10⁴, of gradients by the last weight of two dimensions or more that the generator reads; it
 * carries no gradient (VQGAN: Esser et al. 2021, arXiv:2012.09841).
 */
function adaptiveWeight(reconstruction: Tensor, generator: Tensor, { student }: Scene): Tensor {
  const last = Array.from(student?.weights.values() ?? []).findLast(({ rank }) => rank >= 2);
  if (last === undefined)
    throw new GlobalPercError(
      "AdversarialTrainer: the generator has no layer that trains, by which weight: 'adaptive' could be told; give a number",
      { code: 'invalid-option' },
    );
  fuseAttention(last.graph);
  const norm = (loss: Tensor): Tensor => (gradient(loss, [last])[0] as Tensor).square().sum().sqrt();
  return norm(reconstruction).div(norm(generator).add(1e-4)).minimum(1e4).detach();
}
