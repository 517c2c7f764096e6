/** Descriptions of losses that stand around another one. */
import type { Shape } from '../graph/index.js';
import type { AnyModule } from '../nn/index.js';
import type { Steps } from '../runtime/index.js';
import type { Comparison, Features, LossDescription, OpenInput, RunContext, Scene } from './description.js';

/** Shows an inner description something else in place of each scene, and needs what it needs. */
export abstract class Around<Shown extends object> {
  /** What is made for a scene once is read by prediction, target and comparison. */
  private readonly scenes = new WeakMap<Scene, Shown>();

  abstract get inner(): LossDescription;

  /** What the inner description sees of a scene. */
  protected abstract shown(scene: Scene): Shown;

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

  /** What `shown` made of a scene. */
  protected seen(scene: Scene): Shown {
    const seen = this.scenes.get(scene) ?? this.shown(scene);
    this.scenes.set(scene, seen);
    return seen;
  }
}

/** Reads what an inner description reads, of one scene in place of another. */
export abstract class DescriptionAround extends Around<Scene> implements LossDescription {
  abstract compare(prediction: Features, target: Features, scene: Scene): Comparison;

  *owned(scene: Scene): Steps<AnyModule | undefined> {
    return this.inner.owned && (yield* this.inner.owned(this.seen(scene)));
  }

  prediction(scene: Scene): Steps<Features> {
    return this.inner.prediction(this.seen(scene));
  }

  target(scene: Scene): Steps<Features> {
    return this.inner.target(this.seen(scene));
  }
}
