/** How what is compared lies on the images that were given. */
import { gradient } from '../autodiff/index.js';
import type { Tensor } from '../graph/index.js';
import { Resize, type Transform } from '../transforms/index.js';
import { geometryOf } from '../transforms/transform.js';
import type { Scene } from './description.js';
import { type Grid, gridsIn, type Places, placesOf, weightsAt } from './places.js';

/** A scene as a model sees it, behind its transform. What is asked for is computed once, for all hooks; nothing else is. */
export class View {
  private readonly scene: Scene;
  private readonly transform: Transform | undefined;
  private readonly weights = new Map<string, Tensor>();
  private frame: { readonly size: Grid; readonly grids: readonly Grid[] } | undefined;
  private seenMask: Tensor | undefined;
  private wayBack: ((values: Tensor) => Tensor) | undefined;

  constructor(scene: Scene, transform?: Transform) {
    this.scene = scene;
    this.transform = transform;
  }

  get batch(): number {
    return this.scene.output.dim(0);
  }

  get masked(): boolean {
    return this.scene.mask !== undefined;
  }

  /** The places of an activation on what the model sees. @throws GlobalPercError for a transform that does not tell its geometry. */
  placesOf({ shape }: Tensor): Places | undefined {
    return this.scene.output.rank === 4 ? placesOf(shape, this.batch, this.measured.grids) : undefined;
  }

  /** Weights under the scene's mask, to be broadcast to what has these places. */
  weightsAt(places: Places): Tensor {
    const key = JSON.stringify(places);
    const known = this.weights.get(key) ?? weightsAt(places, this.mask);
    this.weights.set(key, known);
    return known;
  }

  /**
   * A plane `[B, 1, h, w]` on the image, `[B, 1, H, W]`: resized bilinearly to what the model sees and taken back through the
   * transform. Each pixel is the mean of those it went into; what the model does not see is 0.
   */
  onImage(plane: Tensor): Tensor {
    this.wayBack ??= this.back();
    return this.wayBack(new Resize(this.measured.size, { antialias: false }).apply(plane));
  }

  /** The geometry is linear: its transpose takes back, and what it makes of ones says how much came back. */
  private back(): (values: Tensor) => Tensor {
    const origin = zeros(this.scene.output, this.batch);
    const seen = this.seen(origin);
    if (seen.value === origin.value) return (values) => values;
    const transposed = (values: Tensor): Tensor => gradient(seen.mul(values).sum(), [origin])[0] as Tensor;
    const reached = transposed(seen.zerosLike().add(1));
    const isSeen = reached.greater(0);
    const divisor = isSeen.where(reached, 1);
    return (values) => isSeen.where(transposed(values).div(divisor), 0);
  }

  /** Weights of pixels as the model sees them, `[B, 1, h, w]` or `[1, 1, h, w]`. */
  private get mask(): Tensor {
    this.seenMask ??= this.seen(this.scene.mask as Tensor);
    return this.seenMask;
  }

  private seen(plane: Tensor): Tensor {
    return geometryOf(this.transform, plane, this.scene.draws);
  }

  private get measured(): { readonly size: Grid; readonly grids: readonly Grid[] } {
    if (this.frame) return this.frame;
    const { output } = this.scene;
    const size = this.seen(zeros(output, 1)).shape.slice(2) as unknown as Grid;
    this.frame = { size, grids: gridsIn(output.graph, size) };
    return this.frame;
  }
}

const zeros = (image: Tensor, batch: number): Tensor =>
  image.graph.scalar(0, 'float32').expand([batch, 1, image.dim(2), image.dim(3)]);
