/** How what is compared lies on the images that were given. */
import { gradient } from '../autodiff/index.js';
import type { Tensor } from '../graph/index.js';
import { Resize, type Transform } from '../transforms/index.js';
import { geometryOf } from '../transforms/transform.js';
import type { Scene } from './description.js';
import { type Grid, gridsIn, type Places, placesOf } from './places.js';

/** A scene as a model sees it, behind its transform. Nothing is computed before it is asked for. */
export class View {
  private readonly scene: Scene;
  private readonly transform: Transform | undefined;
  private known: { readonly size: Grid; readonly grids: readonly Grid[] } | undefined;

  constructor(scene: Scene, transform?: Transform) {
    this.scene = scene;
    this.transform = transform;
  }

  get batch(): number {
    return this.scene.output.dim(0);
  }

  /** Weights of pixels as the model sees them, `[B, 1, h, w]` or `[1, 1, h, w]`; undefined where every pixel counts alike. */
  get mask(): Tensor | undefined {
    return this.scene.mask && this.seen(this.scene.mask);
  }

  /** The places of an activation on what the model sees. @throws GlobalPercError for a transform that does not tell its geometry. */
  placesOf({ shape }: Tensor): Places | undefined {
    const { output } = this.scene;
    if (output.rank !== 4) return undefined;
    this.known ??= this.measured(output);
    return placesOf(shape, this.batch, this.known.grids);
  }

  /**
   * A plane `[B, 1, h, w]` on the image, `[B, 1, H, W]`: resized bilinearly to what the model sees and taken back through the
   * transform. Each pixel is the mean of those it went into; what the model does not see is 0.
   */
  onImage(plane: Tensor): Tensor {
    const { output } = this.scene;
    this.known ??= this.measured(output);
    const resized = new Resize(this.known.size, { antialias: false }).apply(plane);
    const origin = zeros(output, plane.dim(0));
    const seen = this.seen(origin);
    if (seen.value === origin.value) return resized;
    // The geometry is linear: its transpose takes back, and what it makes of ones says how much came back.
    const back = (values: Tensor): Tensor => gradient(seen.mul(values).sum(), [origin])[0] as Tensor;
    const reached = back(seen.zerosLike().add(1));
    const isSeen = reached.greater(0);
    return isSeen.where(back(resized).div(isSeen.where(reached, 1)), 0);
  }

  private seen(plane: Tensor): Tensor {
    return geometryOf(this.transform, plane, this.scene.draws);
  }

  private measured(output: Tensor): { size: Grid; grids: readonly Grid[] } {
    const size = this.seen(zeros(output, 1)).shape.slice(2) as unknown as Grid;
    return { size, grids: gridsIn(output.graph, size) };
  }
}

const zeros = (image: Tensor, batch: number): Tensor =>
  image.graph.scalar(0, 'float32').expand([batch, 1, image.dim(2), image.dim(3)]);
