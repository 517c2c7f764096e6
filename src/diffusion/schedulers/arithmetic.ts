/** Sums of concrete tensors, and what a prediction says of the clean sample. */
import { GlobalPercError, sameShape } from '../../graph/index.js';
import { type TensorLike, toFloat32 } from '../../model/index.js';
import type { PredictionType } from './betas.js';

/** A concrete tensor in float32. */
export interface Latents {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A tensor, checked. @param like another that it must have the shape of. @throws GlobalPercError when it is none, or has another. */
export function latents(given: TensorLike, name: string, like?: Latents): Latents {
  const { dims, data } = toFloat32(given, name);
  if (like === undefined || sameShape(dims, like.dims)) return { dims, data };
  throw new GlobalPercError(`${name} has shape [${dims}], expected [${like.dims}]`, { code: 'invalid-argument' });
}

/** Σ factor·tensor, in float32; the tensors have one shape. */
export function combined(...terms: readonly (readonly [factor: number, tensor: Latents])[]): Latents {
  const [[, { dims, data: first }]] = terms as [readonly [number, Latents]];
  const data = Float32Array.from({ length: first.length }, (_, i) =>
    terms.reduce((sum, [factor, tensor]) => sum + factor * (tensor.data[i] as number), 0),
  );
  return { dims, data };
}

/** How much of the clean sample and how much noise a noisy one holds: x_t = alpha·x₀ + sigma·ε. */
export interface Mixture {
  readonly alpha: number;
  readonly sigma: number;
}

/**
 * x₀ as the model's output says: (x_t − σ·ε)/α; α·x_t − σ·v; or the output itself. The noise that goes with it is
 * (x_t − α·x₀)/σ.
 */
export function originalOf(type: PredictionType, output: Latents, noisy: Latents, { alpha, sigma }: Mixture): Latents {
  if (type === 'sample') return output;
  if (type === 'v_prediction') return combined([alpha, noisy], [-sigma, output]);
  return combined([1 / alpha, noisy], [-sigma / alpha, output]);
}

/** ε as the model's output says. */
export function noiseOf(type: PredictionType, output: Latents, noisy: Latents, { alpha, sigma }: Mixture): Latents {
  if (type === 'epsilon') return output;
  if (type === 'v_prediction') return combined([alpha, output], [sigma, noisy]);
  return combined([1 / sigma, noisy], [-alpha / sigma, output]);
}

/**
 * Classifier-free guidance (Ho and Salimans 2022): unconditional + scale·(conditional − unconditional).
 * @throws GlobalPercError when the two have not one shape.
 */
export function guided(unconditional: TensorLike, conditional: TensorLike, scale: number): Latents {
  const plain = latents(unconditional, 'guided: unconditional');
  return combined([1 - scale, plain], [scale, latents(conditional, 'guided: conditional', plain)]);
}
