/** Resizing, and moving channels. */
import {
  type Attributes,
  constantOf,
  float,
  GlobalPercError,
  int,
  type Shape,
  string,
  type Tensor,
} from '../../graph/index.js';
import { checkOptions, count } from '../../options/index.js';
import { type InterpolationMode, type UpsampleOptions, upsampleChecks } from '../options/upsampling.js';
import { type PerAxis, perAxis, requireDivisor, requireShape, reshapeBehind } from '../sizes.js';

/** Number of spatial axes a mode is for; nearest takes any. */
const AXES: Readonly<Record<InterpolationMode, number | undefined>> = {
  nearest: undefined,
  linear: 1,
  bilinear: 2,
  trilinear: 3,
  bicubic: 2,
};

/**
 * Resizes the spatial axes of `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html).
 * @throws GlobalPercError when not one of size and scaleFactor is given, or the mode does not go with the input.
 */
export function interpolate(x: Tensor, options: UpsampleOptions): Tensor {
  const checked = checkOptions(options, upsampleChecks, 'interpolate');
  const { size, scaleFactor, mode = 'nearest', alignCorners = false } = checked;
  const axes = AXES[mode] ?? x.rank - 2;
  if (x.rank !== axes + 2 || axes < 1) {
    const wanted = AXES[mode] === undefined ? '3 axes or more' : `${axes + 2} axes`;
    throw new GlobalPercError(`interpolate: mode '${mode}' takes an input of ${wanted}, got shape [${x.shape}]`, {
      code: 'invalid-argument',
    });
  }
  if (alignCorners && mode === 'nearest')
    throw new GlobalPercError("interpolate: mode 'nearest' has no alignCorners: leave it out", {
      code: 'invalid-option',
    });
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new GlobalPercError('interpolate: one of size and scaleFactor should be given', { code: 'invalid-option' });
  }
  const sizes = size === undefined ? undefined : perAxis(axes)(size, 'interpolate: size');
  const scales = scaleFactor === undefined ? undefined : scalesOf(scaleFactor, x.shape);
  if (mode === 'nearest') return nearest(x, sizes, scales);
  // Along an axis that keeps its size PyTorch copies the elements, whatever the scale; its bicubic does not.
  const kept = mode === 'bicubic' ? scales : scales?.map((scale, i) => (keepsSize(x.dim(i + 2), scale) ? 1 : scale));
  return resize(x, sizes, kept, {
    mode: string(mode === 'bicubic' ? 'cubic' : 'linear'),
    coordinate_transformation_mode: string(alignCorners ? 'align_corners' : 'half_pixel'),
    ...(mode === 'bicubic' && { cubic_coeff_a: float(-0.75) }),
  });
}

/** One scale per spatial axis, that leaves an element at least. */
function scalesOf(scaleFactor: PerAxis, shape: Shape): readonly number[] {
  const sizes = shape.slice(2);
  const scales = typeof scaleFactor === 'number' ? sizes.map(() => scaleFactor) : scaleFactor;
  if (scales.length === sizes.length && sizes.every((size, i) => size * (scales[i] as number) >= 1)) return scales;
  throw new GlobalPercError(
    `interpolate: scaleFactor ${JSON.stringify(scaleFactor)} does not go with an input of shape [${shape}]`,
    { code: 'invalid-argument' },
  );
}

const keepsSize = (size: number, scale: number): boolean => Math.floor(size * scale) === size;

/** Sizes or scales of the spatial axes. */
type Wanted = readonly number[] | undefined;

/** Emits Resize for the spatial axes. */
function resize(x: Tensor, sizes: Wanted, scales: Wanted, attributes: Attributes): Tensor {
  const { graph, shape } = x;
  const factors = scales && graph.constant(constantOf('float32', [x.rank], [1, 1, ...scales]));
  const target = sizes && graph.ints([...shape.slice(0, 2), ...sizes]);
  return graph.emit('Resize', [x, undefined, factors, target], attributes)[0] as Tensor;
}

/**
 * Output o shows input ⌊o·step⌋, step being in/out or 1/scale. Resize does that for whole scales; for others its
 * rounding differs from PyTorch's, and the elements are picked one by one.
 */
function nearest(x: Tensor, sizes: Wanted, scales: Wanted): Tensor {
  const factors = scales ?? x.shape.slice(2).map((inSize, i) => ((sizes as readonly number[])[i] as number) / inSize);
  if (factors.every(Number.isInteger)) {
    const attributes = { mode: string('nearest'), coordinate_transformation_mode: string('asymmetric') };
    return resize(x, undefined, factors, { ...attributes, nearest_mode: string('floor') });
  }
  return factors.reduce((image, factor, i) => {
    const inSize = x.dim(i + 2);
    const outSize = sizes?.[i] ?? Math.floor(inSize * factor);
    const step = Math.fround(sizes ? inSize / outSize : 1 / factor);
    const shown = (o: number): number => Math.min(Math.floor(Math.fround(o * step)), inSize - 1);
    return factor === 1
      ? image
      : image.gather(x.graph.ints(Array.from({ length: outSize }, (_, o) => shown(o))), i + 2);
  }, x);
}

/**
 * `[B, C·r², H, W]` → `[B, C, H·r, W·r]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pixel_shuffle.html).
 * @throws GlobalPercError when r² does not divide the channels.
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const r = count(upscaleFactor, 'pixelShuffle: upscaleFactor');
  if (x.rank !== 4 || x.dim(1) % r ** 2 !== 0) {
    throw new GlobalPercError(`pixelShuffle takes an input of shape [B, C·${r}², H, W], got [${x.shape.join(', ')}]`, {
      code: 'invalid-argument',
    });
  }
  return x.graph.emit('DepthToSpace', [x], { blocksize: int(r), mode: string('CRD') })[0] as Tensor;
}

/**
 * `[B, C, H·r, W·r]` → `[B, C·r², H, W]`, the inverse of pixelShuffle
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pixel_unshuffle.html).
 * @throws GlobalPercError when r does not divide height and width.
 */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const r = count(downscaleFactor, 'pixelUnshuffle: downscaleFactor');
  if (x.rank !== 4 || x.dim(2) % r !== 0 || x.dim(3) % r !== 0) {
    throw new GlobalPercError(
      `pixelUnshuffle takes an input of shape [B, C, H·${r}, W·${r}], got [${x.shape.join(', ')}]`,
      { code: 'invalid-argument' },
    );
  }
  const [channels, height, width] = [x.dim(1), x.dim(2) / r, x.dim(3) / r];
  const blocks = reshapeBehind(x, 1, [channels, height, r, width, r]).transpose([0, 1, 3, 5, 2, 4]);
  return reshapeBehind(blocks, 1, [channels * r * r, height, width]);
}

/**
 * Channel i of n in group g becomes channel i·groups + g: `[B, C, …]` → `[B, C, …]`
 * (https://pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html).
 * @throws GlobalPercError when the groups do not divide the channels.
 */
export function channelShuffle(x: Tensor, groups: number): Tensor {
  requireShape('channelShuffle', x, ['B', 'C', '…']);
  count(groups, 'channelShuffle: groups');
  requireDivisor('channelShuffle', groups, 'groups', `the channels of [${x.shape}]`, x.dim(1));
  const grouped = reshapeBehind(x, 1, [groups, x.dim(1) / groups, -1]).swapAxes(1, 2);
  return reshapeBehind(grouped, 1, x.shape.slice(1));
}
