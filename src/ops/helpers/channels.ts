/** Parameters with one entry per channel, for tensors [batch, channels, …spatial]. */
import type { Tensor } from '../../graph/index.js';

/** A vector [channels] as [channels, 1, …], so that it broadcasts over a tensor of the given rank. */
export const perChannel = (vector: Tensor, rank: number): Tensor =>
  vector.reshape([vector.size, ...Array.from({ length: rank - 2 }, () => 1)]);

/** Sum over batch and space: [batch, channels, …] → [channels]. */
export const sumPerChannel = (x: Tensor): Tensor => x.reshape([x.dim(0), x.dim(1), -1]).sum([0, 2]);
