/** Measures of how alike two pictures are that no student here is trained on. Images are `[3, H, W]` in [0, 1]. */
import type { ImageTensor } from '../data/index.js';

/** 10·log₁₀(1/mean (a − b)²) in dB; higher is more alike. */
export function psnr(a: ImageTensor, b: ImageTensor): number {
  let squares = 0;
  for (const [i, value] of a.data.entries()) squares += (clamp(value) - (b.data[i] as number)) ** 2;
  return 10 * Math.log10(a.data.length / squares);
}

/** One number per pixel. */
interface Plane {
  readonly height: number;
  readonly width: number;
  readonly at: (y: number, x: number) => number;
}

/** Keeps the quotient finite where both images are flat; 170 in squared steps of 1/255. */
const STABILITY = 170 / 255 ** 2;

/**
 * Gradient magnitude similarity deviation (Xue, Zhang, Mou and Bovik 2014, arXiv:1308.3052): the standard deviation over
 * the picture of (2·m·n + c)/(m² + n² + c), m and n being the Prewitt gradients' lengths of the two luminances at half
 * size. 0 for equal pictures; lower is more alike.
 */
export function gmsd(a: ImageTensor, b: ImageTensor): number {
  const [first, second] = [gradientLengths(halved(luminance(a))), gradientLengths(halved(luminance(b)))];
  const similarities = first.map((m, i) => {
    const n = second[i] as number;
    return (2 * m * n + STABILITY) / (m ** 2 + n ** 2 + STABILITY);
  });
  const mean = similarities.reduce((sum, value) => sum + value, 0) / similarities.length;
  const variance = similarities.reduce((sum, value) => sum + (value - mean) ** 2, 0) / similarities.length;
  return Math.sqrt(variance);
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** ITU-R BT.601 luma. */
function luminance({ dims: [, height = 0, width = 0], data }: ImageTensor): Plane {
  const area = height * width;
  const at = (y: number, x: number): number => {
    const i = y * width + x;
    const [red, green, blue] = [data[i], data[i + area], data[i + 2 * area]] as [number, number, number];
    return 0.299 * clamp(red) + 0.587 * clamp(green) + 0.114 * clamp(blue);
  };
  return { height, width, at };
}

/** Means of 2×2 pixels. */
function halved({ height, width, at }: Plane): Plane {
  const half = (y: number, x: number): number =>
    (at(2 * y, 2 * x) + at(2 * y + 1, 2 * x) + at(2 * y, 2 * x + 1) + at(2 * y + 1, 2 * x + 1)) / 4;
  return { height: Math.floor(height / 2), width: Math.floor(width / 2), at: half };
}

/** Lengths of the Prewitt gradients inside the border. */
function gradientLengths({ height, width, at }: Plane): Float64Array {
  const values = Float64Array.from({ length: height * width }, (_, i) => at(Math.floor(i / width), i % width));
  const lengths = new Float64Array((height - 2) * (width - 2));
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const pixel = (dy: number, dx: number): number => values[(y + dy) * width + x + dx] as number;
      const across = [-1, 0, 1].reduce((sum, dy) => sum + pixel(dy, 1) - pixel(dy, -1), 0) / 3;
      const down = [-1, 0, 1].reduce((sum, dx) => sum + pixel(1, dx) - pixel(-1, dx), 0) / 3;
      lengths[(y - 1) * (width - 2) + x - 1] = Math.hypot(across, down);
    }
  }
  return lengths;
}
