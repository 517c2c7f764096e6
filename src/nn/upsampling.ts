/** Resizing, and moving channels into space. */
import { constantOf, float, GlobalPercError, int, oneOf, type Shape, string, type Tensor } from '../graph/index.js';
import { Module } from './module.js';
import { type PerAxis, requireCount } from './sizes.js';

/** How new elements come from old ones; all but nearest are for one number of spatial axes each. */
export type InterpolationMode = 'nearest' | 'linear' | 'bilinear' | 'trilinear' | 'bicubic';

/** ONNX's names of the modes, and the number of spatial axes; nearest takes any. */
const MODES: Readonly<Record<InterpolationMode, { readonly onnx: string; readonly axes?: number }>> = {
  nearest: { onnx: 'nearest' },
  linear: { onnx: 'linear', axes: 1 },
  bilinear: { onnx: 'linear', axes: 2 },
  trilinear: { onnx: 'linear', axes: 3 },
  bicubic: { onnx: 'cubic', axes: 2 },
};

/** Options of interpolate and Upsample; one of size and scaleFactor is needed. */
export interface UpsampleOptions {
  /** Size of the spatial axes. */
  readonly size?: PerAxis | undefined;
  /** What their size is multiplied by; the result is rounded down. */
  readonly scaleFactor?: PerAxis | undefined;
  /** Default `nearest`. */
  readonly mode?: InterpolationMode;
  /** The centres of the corners stay in place rather than their edges; not for `nearest`. Default false. */
  readonly alignCorners?: boolean;
}

/**
 * Resizes the spatial axes of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html).
 * @throws GlobalPercError when not one of size and scaleFactor is given, or the mode does not go with the input.
 */
export function interpolate(x: Tensor, options: UpsampleOptions): Tensor {
  const { size, scaleFactor, mode = 'nearest', alignCorners = false } = options;
  const { onnx, axes = x.rank - 2 } = MODES[oneOf(mode, Object.keys(MODES) as InterpolationMode[], 'mode')];
  if (x.rank !== axes + 2 || axes < 1) {
    throw new GlobalPercError(`interpolate: mode '${mode}' does not go with an input of shape [${x.shape}]`);
  }
  if (alignCorners && mode === 'nearest') throw new GlobalPercError("interpolate: mode 'nearest' has no alignCorners");
  const coordinates = mode === 'nearest' ? 'asymmetric' : alignCorners ? 'align_corners' : 'half_pixel';
  return x.graph.emit('Resize', [x, undefined, ...target(x, size, scaleFactor)], {
    mode: string(onnx),
    coordinate_transformation_mode: string(coordinates),
    nearest_mode: string('floor'),
    cubic_coeff_a: float(-0.75),
  })[0] as Tensor;
}

/** Resize's inputs `scales` and `sizes`, one of which is left out. */
function target({ graph, shape }: Tensor, size?: PerAxis, scaleFactor?: PerAxis): (Tensor | undefined)[] {
  if (size !== undefined && scaleFactor === undefined) {
    return [undefined, graph.ints([...shape.slice(0, 2), ...spread(size, shape, 'size')])];
  }
  if (size !== undefined || scaleFactor === undefined) {
    throw new GlobalPercError('interpolate: one of size and scaleFactor should be given');
  }
  const scales = [1, 1, ...spread(scaleFactor, shape, 'scaleFactor')];
  return [graph.constant(constantOf('float32', [scales.length], scales))];
}

/** One positive number per spatial axis. */
function spread(value: PerAxis, shape: Shape, what: string): readonly number[] {
  const values = typeof value === 'number' ? shape.slice(2).map(() => value) : value;
  if (values.length === shape.length - 2 && values.every((entry) => entry > 0)) return values;
  throw new GlobalPercError(`interpolate: ${what} ${JSON.stringify(value)} does not go with shape [${shape}]`);
}

/** Resizes the spatial axes of `[B, C, …]` (https://pytorch.org/docs/stable/generated/torch.nn.Upsample.html). */
export class Upsample extends Module {
  static readonly className = 'Upsample';
  readonly options: UpsampleOptions;

  constructor(options: UpsampleOptions) {
    super();
    this.options = options;
  }

  /** @throws GlobalPercError when not one of size and scaleFactor is given, or the mode does not go with the input. */
  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }
}

/**
 * `[B, C·r², H, W]` → `[B, C, H·r, W·r]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pixel_shuffle.html).
 * @throws GlobalPercError when r² does not divide the channels.
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const r = upscaleFactor;
  if (x.rank !== 4 || x.dim(1) % r ** 2 !== 0) {
    throw new GlobalPercError(`pixelShuffle takes an input of shape [B, C·${r}², H, W], got [${x.shape.join(', ')}]`);
  }
  return x.graph.emit('DepthToSpace', [x], { blocksize: int(r), mode: string('CRD') })[0] as Tensor;
}

/**
 * `[B, C, H·r, W·r]` → `[B, C·r², H, W]`, the inverse of pixelShuffle
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pixel_unshuffle.html).
 * @throws GlobalPercError when r does not divide height and width.
 */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const r = downscaleFactor;
  if (x.rank !== 4 || x.dim(2) % r !== 0 || x.dim(3) % r !== 0) {
    throw new GlobalPercError(
      `pixelUnshuffle takes an input of shape [B, C, H·${r}, W·${r}], got [${x.shape.join(', ')}]`,
    );
  }
  const [batch, channels, height, width] = [x.dim(0), x.dim(1), x.dim(2) / r, x.dim(3) / r];
  return x
    .reshape([batch, channels, height, r, width, r])
    .transpose([0, 1, 3, 5, 2, 4])
    .reshape([batch, channels * r * r, height, width]);
}

/** `[B, C·r², H, W]` → `[B, C, H·r, W·r]` (https://pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html). */
export class PixelShuffle extends Module {
  static readonly className = 'PixelShuffle';
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = requireCount(upscaleFactor, 'PixelShuffle: upscaleFactor');
  }

  /** @throws GlobalPercError when r² does not divide the channels. */
  override forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor);
  }
}

/** `[B, C, H·r, W·r]` → `[B, C·r², H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.PixelUnshuffle.html). */
export class PixelUnshuffle extends Module {
  static readonly className = 'PixelUnshuffle';
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = requireCount(downscaleFactor, 'PixelUnshuffle: downscaleFactor');
  }

  /** @throws GlobalPercError when r does not divide height and width. */
  override forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor);
  }
}
