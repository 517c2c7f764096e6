/**
 * Resampling an axis as a constant matrix. Resizing is linear in the image and separable: each axis has a matrix
 * W [out, in] of its own, y[o] = Σᵢ W[o, i]·x[i], whose rows sum to 1.
 */

/** How ONNX's Resize and torch's `interpolate` relate output places to input places. */
export type Coordinates =
  /** (o + ½)/scale − ½: pixels are areas. torch's `align_corners=False`. */
  | 'half_pixel'
  /** As half_pixel, but 0 where the output has one element. */
  | 'pytorch_half_pixel'
  /** As half_pixel, with the same margin at both ends where `out` is not exactly `in`·scale. */
  | 'half_pixel_symmetric'
  /** o·(in − 1)/(out − 1): the first and last elements meet. torch's `align_corners=True`. */
  | 'align_corners'
  /** o/scale. torch's mode 'nearest', with `nearest: 'floor'`. */
  | 'asymmetric';

/** Which of its two neighbours a place takes in mode 'nearest'. */
export type NearestMode = 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil';

export interface Interpolation {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinates: Coordinates;
  /** 'round_prefer_floor' by default. */
  readonly nearest?: NearestMode;
  /** The coefficient of Keys' cubic kernel: −0.75 by default and in torch, −0.5 in Pillow and torch's antialiased bicubic. */
  readonly cubicA?: number;
  /**
   * What becomes of shares that fall outside the input. False (default): the border is repeated. True: they are left
   * out and the rest is scaled to sum 1, as torch does when it antialiases.
   */
  readonly excludeOutside?: boolean;
  /** Widens the kernel by 1/scale when the axis shrinks, so that every input element counts. Not for 'nearest'. */
  readonly antialias?: boolean;
  /** Output elements per input element; out/in by default. torch's `scale_factor` and ONNX's `scales` may differ from it. */
  readonly scale?: number;
}

/**
 * The matrix W, row-major [outSize, inSize]. torchvision's Resize is
 * `{ mode: 'linear', coordinates: 'half_pixel', antialias: true, excludeOutside: true }` for bilinear; bicubic has
 * `mode: 'cubic'` and `cubicA: -0.5`; without antialias: no `antialias`, no `excludeOutside`, and `cubicA: -0.75`.
 */
export function interpolationMatrix(options: Interpolation, inSize: number, outSize: number): Float64Array {
  const scale = Math.fround(options.scale ?? Math.fround(outSize / inSize));
  const matrix = new Float64Array(outSize * inSize);
  const clamp = (place: number): number => Math.min(Math.max(place, 0), inSize - 1);
  for (let o = 0; o < outSize; o += 1) {
    const at = sourcePlace(options.coordinates, o, scale, inSize, outSize);
    const shares = sharesAround(at, scale, options).filter(
      ([place]) => !options.excludeOutside || place === clamp(place),
    );
    const total = shares.reduce((sum, [, share]) => sum + share, 0);
    for (const [place, share] of shares) {
      const entry = o * inSize + clamp(place);
      matrix[entry] = (matrix[entry] as number) + share / total;
    }
  }
  return matrix;
}

/** Where output element `o` lies on the input axis. Rounded to float32 at each step, so that ties fall as in the runtime. */
function sourcePlace(coordinates: Coordinates, o: number, scale: number, inSize: number, outSize: number): number {
  const { fround } = Math;
  const halfPixel = fround(fround((o + 0.5) / scale) - 0.5);
  switch (coordinates) {
    case 'half_pixel':
      return halfPixel;
    case 'pytorch_half_pixel':
      return outSize > 1 ? halfPixel : 0;
    case 'half_pixel_symmetric':
      return fround(margin(scale, inSize, outSize) + (o + 0.5) / scale - 0.5);
    case 'align_corners':
      return outSize > 1 ? fround((o * (inSize - 1)) / (outSize - 1)) : 0;
    case 'asymmetric':
      return fround(o / scale);
  }
}

/** Half of what the scaled input is larger than the output, in input elements. */
const margin = (scale: number, inSize: number, outSize: number): number =>
  Math.fround((inSize / 2) * Math.fround(1 - Math.fround(outSize / Math.fround(scale * inSize))));

/** Input elements near a place and their shares. */
function sharesAround(at: number, scale: number, options: Interpolation): [place: number, share: number][] {
  if (options.mode === 'nearest') return [[roundPlace(at, options.nearest ?? 'round_prefer_floor'), 1]];
  const stretch = options.antialias ? Math.max(1 / scale, 1) : 1;
  const reach = (options.mode === 'linear' ? 1 : 2) * stretch;
  const first = Math.ceil(at - reach);
  const places = Array.from({ length: Math.floor(at + reach) - first + 1 }, (_, i) => first + i);
  const kernel = options.mode === 'linear' ? triangle : cubic(options.cubicA ?? -0.75);
  return places.map((place) => [place, kernel(Math.abs(place - at) / stretch)]);
}

/** Places this near to the middle between two elements count as the middle, in ONNX Runtime too. */
const TIE = 1e-6;

function roundPlace(at: number, nearest: NearestMode): number {
  switch (nearest) {
    case 'round_prefer_floor':
      return Math.ceil(at - 0.5 - TIE);
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5 + TIE);
    case 'floor':
      return Math.floor(at);
    case 'ceil':
      return Math.ceil(at);
  }
}

const triangle = (distance: number): number => Math.max(0, 1 - distance);

/** Keys' cubic convolution kernel. */
const cubic =
  (a: number) =>
  (d: number): number => {
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  };
