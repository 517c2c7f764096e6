/** Losses that must fetch something before anything else: the weights of their network. */
import type { Shape } from '../graph/index.js';
import type { DownloadOptions } from '../hub/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import type { Comparison, Features, LossDescription, RunContext, Scene } from './description.js';

/** A description, and the files that were read for it beside those of its models. */
export interface Made {
  readonly description: LossDescription;
  readonly files: readonly string[];
}

/** A description that is made when it is first needed; one that could not be made is tried again. */
export class DeferredDescription implements LossDescription {
  private readonly make: (options: DownloadOptions) => Promise<Made>;
  private making: Promise<Made> | undefined;
  private made: Made | undefined;

  /** @param make rejects with a GlobalPercError where what is needed cannot be had. */
  constructor(make: (options: DownloadOptions) => Promise<Made>) {
    this.make = make;
  }

  async load(options: DownloadOptions = {}): Promise<void> {
    this.making ??= this.make(options).catch((error: unknown) => {
      this.making = undefined;
      throw error;
    });
    this.made = await this.making;
  }

  get files(): readonly string[] {
    return this.made ? [...(this.made.description.files ?? []), ...this.made.files] : [];
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
    if (this.made) return this.made.description;
    throw new Error('a description was asked before it was loaded');
  }
}
