/** What discriminator and generator make smaller, logit by logit. */
import type { Tensor } from '../graph/index.js';

/** Names of the losses of a game. */
export type AdversarialLoss = 'bce' | 'hinge' | 'leastSquares';

/** Losses of logits x, elementwise. */
export interface Criterion {
  /** Of the discriminator, for a real image. */
  real(x: Tensor): Tensor;
  /** Of the discriminator, for one that the generator made. */
  fake(x: Tensor): Tensor;
  /** Of the generator, for one that it made. */
  generator(x: Tensor): Tensor;
}

/** log(1 + eˣ) */
const softplus = (x: Tensor): Tensor => x.unary('Softplus');

export const CRITERIA: Readonly<Record<AdversarialLoss, Criterion>> = {
  /** Non-saturating (Goodfellow et al. 2014): cross entropy against 1 and 0, and against 1 for the generator. */
  bce: { real: (x) => softplus(x.neg()), fake: softplus, generator: (x) => softplus(x.neg()) },
  /** Lim and Ye 2017 (arXiv:1705.02894), as BigGAN and VQGAN have it. */
  hinge: {
    real: (x) => x.subtractFrom(1).relu(),
    fake: (x) => x.add(1).relu(),
    generator: (x) => x.neg(),
  },
  /** LSGAN (Mao et al. 2017, arXiv:1611.04076), labels 1 and 0. */
  leastSquares: { real: (x) => x.sub(1).square(), fake: (x) => x.square(), generator: (x) => x.sub(1).square() },
};
