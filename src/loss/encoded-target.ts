/** A target that was read once; what was read stays beside the session until it is disposed. */
import { GlobalPercError, type Shape, type TensorType } from '../graph/index.js';
import type { HostTensor } from '../runtime/index.js';

/**
 * What a loss has read of a target: it stands in for the target in that loss's calls, and what it holds stays beside the session
 * until it is disposed. `await using` disposes it at the end of its block.
 */
export class EncodedTarget implements AsyncDisposable {
  /** Shape of the target it was made from. */
  readonly shape: Shape;
  private readonly owner: object;
  private features: Readonly<Record<string, HostTensor>> | undefined;
  private readonly free: () => Promise<void>;

  /** Made by `Loss.encode`. */
  constructor(owner: object, shape: Shape, features: Readonly<Record<string, HostTensor>>, free: () => Promise<void>) {
    this.owner = owner;
    this.shape = shape;
    this.features = features;
    this.free = free;
  }

  /** The features by input name of the programs of `loss`. @throws GlobalPercError for another loss, or after disposal. */
  feeds(loss: object): Readonly<Record<string, HostTensor>> {
    if (this.features === undefined) {
      throw new GlobalPercError('this encoded target was disposed; encode it again', { code: 'disposed' });
    }
    if (loss !== this.owner) {
      throw new GlobalPercError('this target was encoded by another loss: encode it with the loss that uses it', {
        code: 'invalid-argument',
      });
    }
    return this.features;
  }

  /** Types of the features in their order. Throws as `feeds` does. */
  types(loss: object): readonly TensorType[] {
    return Object.values(this.feeds(loss)).map(({ dtype, dims }) => ({ dtype, shape: dims }));
  }

  /** Frees the features. */
  async dispose(): Promise<void> {
    if (this.features === undefined) return;
    this.features = undefined;
    await this.free();
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
