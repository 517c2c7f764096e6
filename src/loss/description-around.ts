/** The description of a loss that shows another one the same scene, or another one. */
import type { Shape } from '../graph/index.js';
import type { AnyModule } from '../nn/index.js';
import type { Steps } from '../runtime/index.js';
import type { Comparison, Features, LossDescription, OpenInput, RunContext, Scene } from './description.js';

/** Reads what an inner description reads, of the scene that it is shown. */
export abstract class DescriptionAround implements LossDescription {
  /** What is made for a scene once is read by prediction, target and comparison. */
  private readonly scenes = new WeakMap<Scene, Scene>();

  protected abstract get inner(): LossDescription;

  /** The scene as the inner description sees it. */
  protected abstract shown(scene: Scene): Scene;

  abstract compare(prediction: Features, target: Features, scene: Scene): Comparison;

  get openInputs(): readonly OpenInput[] {
    return this.inner.openInputs ?? [];
  }

  get files(): readonly string[] {
    return this.inner.files ?? [];
  }

  async load(): Promise<void> {
    await this.inner.load?.();
  }

  *prepare(shape: Shape, context: RunContext): Steps<void> {
    yield* this.inner.prepare?.(shape, context) ?? [];
  }

  *owned(scene: Scene): Steps<AnyModule | undefined> {
    return this.inner.owned && (yield* this.inner.owned(this.seen(scene)));
  }

  prediction(scene: Scene): Steps<Features> {
    return this.inner.prediction(this.seen(scene));
  }

  target(scene: Scene): Steps<Features> {
    return this.inner.target(this.seen(scene));
  }

  /** What `shown` made of a scene. */
  protected seen(scene: Scene): Scene {
    const seen = this.scenes.get(scene) ?? this.shown(scene);
    this.scenes.set(scene, seen);
    return seen;
  }
}
