/** A loss whose targets are read already: each is one row of numbers, all that was read of it. */
import { type Shape, sizeOf, type Tensor, type TensorType } from '../graph/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import {
  type Comparison,
  type Features,
  type LossDescription,
  type Objective,
  type Scene,
  sceneWith,
} from './description.js';
import { DescriptionAround } from './description-around.js';
import { arranged } from './draft.js';

/** What was read of one target. */
export interface Reading {
  /** Shape of the target, with a batch dimension of 1. */
  readonly target: Shape;
  /** Shapes of its features, in their order; the batch is the outer part of dim 0. */
  readonly features: readonly Shape[];
}

/** Trains as the loss does, on targets `[B, numbers]`. */
export class EncodedLoss implements Objective {
  readonly description: LossDescription;
  private readonly owner: Objective;

  constructor(owner: Objective, reading: Reading) {
    this.owner = owner;
    this.description = new ReadBefore(owner.description, reading);
  }

  get disposed(): boolean {
    return this.owner.disposed ?? false;
  }
}

class ReadBefore extends DescriptionAround {
  override readonly inner: LossDescription;
  private readonly reading: Reading;

  constructor(inner: LossDescription, reading: Reading) {
    super();
    this.inner = inner;
    this.reading = reading;
  }

  targetType({ shape }: TensorType): TensorType {
    const numbers = this.reading.features.reduce((sum, feature) => sum + sizeOf(feature), 0);
    return { dtype: 'float32', shape: [shape[0] ?? 1, numbers] };
  }

  protected override shown(scene: Scene): Scene {
    return scene;
  }

  /** The features, one behind the other in each row. */
  override *target({ target }: Scene): Steps<Features> {
    const batch = target.dim(0);
    let end = 0;
    return this.reading.features.map((shape): Tensor => {
      const start = end;
      end += sizeOf(shape);
      return target.slice([1], [start], [end]).reshape([batch * (shape[0] ?? 1), ...shape.slice(1)]);
    });
  }

  override compare(prediction: Features, target: Features, scene: Scene): Comparison {
    const rows = [target].flat(1) as readonly Tensor[];
    const whole = sceneWith(scene, {
      target: () => {
        throw new Error('a target that was read before is no image any more');
      },
    });
    const targetShape = [scene.targetShape[0], ...this.reading.target.slice(1)];
    const seen = Object.create(whole, { targetShape: { value: targetShape } }) as Scene;
    return this.inner.compare(prediction, arranged(prediction, rows.values()), seen);
  }

  inspect(name: string, image: HostTensor): void {
    if (name !== 'target') this.inner.inspect?.(name, image);
  }
}
