/** Losses that must fetch something before anything else: the weights of their network. */
import type { Shape } from '../graph/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import type { Comparison, Features, LossDescription, RunContext, Scene } from './description.js';

/** A description that is made when it is first needed; one that could not be made is tried again. */
export class DeferredDescription implements LossDescription {
  private readonly make: () => Promise<LossDescription>;
  private making: Promise<LossDescription> | undefined;
  private made: LossDescription | undefined;

  /** @param make rejects with a GlobalPercError where what is needed cannot be had. */
  constructor(make: () => Promise<LossDescription>) {
    this.make = make;
  }

  async load(): Promise<void> {
    this.making ??= this.make().catch((error: unknown) => {
      this.making = undefined;
      throw error;
    });
    this.made = await this.making;
  }

  get files(): readonly string[] {
    return this.made?.files ?? [];
  }

  prediction(scene: Scene): Steps<Features> {
    return this.description.prediction(scene);
  }

  target(scene: Scene): Steps<Features> {
    return this.description.target(scene);
  }

  compare(prediction: Features, target: Features, scene: Scene): Comparison {
    return this.description.compare(prediction, target, scene);
  }

  *prepare(shape: Shape, context: RunContext): Steps<void> {
    yield* this.description.prepare?.(shape, context) ?? [];
  }

  requireTarget(target: HostTensor, output: Shape): void {
    this.description.requireTarget?.(target, output);
  }

  inspect(name: string, image: HostTensor): void {
    this.description.inspect?.(name, image);
  }

  private get description(): LossDescription {
    if (this.made) return this.made;
    throw new Error('a description was asked before it was loaded');
  }
}
