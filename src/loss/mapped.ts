/** A loss of what a function makes of the prediction: a decoder between a student and a loss of pictures, say. */
import { GlobalPercError, kindOf, type Shape, sameShape, Tensor, type TensorType } from '../graph/index.js';
import { createGraph } from '../ops/index.js';
import { type Checks, callback, checkOptions } from '../options/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import {
  type Comparison,
  descriptionOf,
  type Features,
  type LossDescription,
  type Objective,
  type RunContext,
  requireObjective,
  type Scene,
  type Summand,
  sceneWith,
} from './description.js';
import { DescriptionAround } from './description-around.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { placeless } from './parts.js';

/** A function of a symbolic tensor; any `nn` module is one. */
export type TensorMap = (x: Tensor) => Tensor;

/** Options of MappedLoss. */
export interface MappedLossOptions extends LossOptions {
  /** What the target goes through before it is compared. Default: it is compared as it is. */
  readonly target?: TensorMap;
}

const OPTIONS: Checks<MappedLossOptions> = { ...LOSS, target: callback };

/**
 * loss(map(prediction), target), or loss(map(prediction), options.target(target)). A module in the place of a function is frozen, and in
 * evaluation mode. Where the map changes height or width, there are no masks and no maps of places.
 *
 * @example new nn.MappedLoss(new LPIPS(), decoder) // latents against photographs
 * @example new nn.MappedLoss(new nn.L1Loss(), decoder, { target: decoder }) // latents against latents
 */
export class MappedLoss extends Loss {
  readonly description: LossDescription;

  /** @throws GlobalPercError for what is no loss or no function. */
  constructor(loss: Objective, map: TensorMap, given: MappedLossOptions = {}) {
    const { target, ...options } = checkOptions(given, OPTIONS, 'MappedLoss');
    super(options);
    requireObjective(loss, 'MappedLoss');
    this.description = new Mapped(loss, callback<TensorMap>(map, 'MappedLoss: map'), target);
  }
}

class Mapped extends DescriptionAround {
  private readonly loss: Objective;
  private readonly map: TensorMap;
  private readonly targetMap: TensorMap | undefined;

  constructor(loss: Objective, map: TensorMap, targetMap: TensorMap | undefined) {
    super();
    this.loss = loss;
    this.map = map;
    this.targetMap = targetMap;
  }

  override get inner(): LossDescription {
    return descriptionOf(this.loss);
  }

  override compare(prediction: Features, target: Features, scene: Scene): Comparison {
    const mapped = this.seen(scene);
    const comparison = this.inner.compare(prediction, target, mapped);
    const isInPlace = sameShape(mapped.output.shape.slice(2), scene.output.shape.slice(2));
    return isInPlace ? comparison : { ...comparison, summands: comparison.summands.map(withoutPlaces) };
  }

  targetType(output: TensorType): TensorType {
    if (this.targetMap) return output;
    const type = typeOf(applied(this.map, output));
    return this.inner.targetType?.(type) ?? type;
  }

  override prepare(shape: Shape, context: RunContext): Steps<void> {
    return super.prepare(this.shapeOf(shape), context);
  }

  requireTarget(target: HostTensor, output: Shape): void {
    if (this.targetMap === undefined) this.inner.requireTarget?.(target, this.shapeOf(output));
  }

  /** What is mapped is not what the loss sees. */
  inspect(name: string, image: HostTensor): void {
    if (name === 'target' && this.targetMap === undefined) this.inner.inspect?.(name, image);
  }

  private shapeOf(shape: Shape): Shape {
    return applied(this.map, { dtype: 'float32', shape }).shape;
  }

  protected override shown(scene: Scene): Scene {
    const { map, targetMap } = this;
    return sceneWith(scene, {
      output: () => {
        const output = called(map, scene.output);
        requireUnmasked(scene, output);
        return output;
      },
      ...(targetMap && { target: () => called(targetMap, scene.target) }),
    });
  }
}

/** What a map makes of a type, in a graph that nobody runs. */
const applied = (map: TensorMap, { dtype, shape }: TensorType): Tensor =>
  called(map, createGraph().input('x', dtype, shape));

function called(map: TensorMap, x: Tensor): Tensor {
  const result: unknown = map(x);
  if (result instanceof Tensor) return result;
  throw new GlobalPercError(`MappedLoss: the map should give a tensor, got ${kindOf(result)}`, {
    code: 'invalid-option',
  });
}

function requireUnmasked({ mask, output }: Scene, mapped: Tensor): void {
  if (mask === undefined || sameShape(mapped.shape.slice(2), output.shape.slice(2))) return;
  throw new GlobalPercError(
    `MappedLoss: a mask weighs the prediction [${output.shape}], the loss compares [${mapped.shape}]: leave the mask out`,
    { code: 'invalid-option' },
  );
}

const withoutPlaces = ({ weight, part }: Summand): Summand => ({
  weight,
  part: placeless(() => part.samples()),
});

const typeOf = ({ dtype, shape }: Tensor): TensorType => ({ dtype, shape });
