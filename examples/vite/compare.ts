/** What the page computes: LPIPS of two images, and its gradient. */
import { LPIPS } from 'globalperc';

const SIDE = 64;

/** An image of waves, `[1, 3, 64, 64]` in [0, 1]. */
function waves(length: number): { dims: number[]; data: Float32Array } {
  const data = Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => (1 + Math.sin(i / length)) / 2);
  return { dims: [1, 3, SIDE, SIDE], data };
}

/** The distance of two images, and the Euclidean length of its gradient. */
export async function compare(): Promise<{ value: number; gradNorm: number }> {
  const lpips = new LPIPS();
  const { value, grad } = await lpips.valueAndGrad(waves(5), waves(7));
  await lpips.dispose();
  return { value, gradNorm: Math.sqrt(grad.data.reduce((sum, slope) => sum + slope * slope, 0)) };
}
