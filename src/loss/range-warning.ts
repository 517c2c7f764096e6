/** A warning, once, when images do not hold the values that a model expects: the most repeated mistake of the field. */
import type { TypedArray } from '../graph/index.js';

/** Where images in [0, 1] that were sharpened or interpolated still lie. */
const NORMALIZED = { low: -0.5, high: 2 };
/** Beyond it, values are neither in [0, 1] or [−1, 1] nor normalised: most likely bytes. */
const BYTES = 10;

export class RangeWarning {
  private readonly normalizes: boolean;
  private readonly logger: (message: string) => void;
  private warned = false;

  /** @param normalizes whether the transform has a Normalize, which expects images in [0, 1]. */
  constructor(normalizes: boolean, logger: (message: string) => void) {
    this.normalizes = normalizes;
    this.logger = logger;
  }

  /** Looks at an image, until it has warned. @param name what the message calls it. */
  inspect(name: string, data: TypedArray | undefined): void {
    if (this.warned || !(data instanceof Float32Array)) return;
    const [low, high] = rangeOf(data);
    const problem = this.problem(low, high);
    if (problem === undefined) return;
    this.warned = true;
    this.logger(`warning: ${name} holds values from ${low.toFixed(2)} to ${high.toFixed(2)}; ${problem}`);
  }

  private problem(low: number, high: number): string | undefined {
    if (high > BYTES) {
      const expected = this.normalizes ? 'Normalize expects images in [0, 1]' : 'few models expect images in [0, 255]';
      return `${expected}: divide them by 255`;
    }
    if (!this.normalizes || (low >= NORMALIZED.low && high <= NORMALIZED.high)) return undefined;
    return 'Normalize expects images in [0, 1]: map them with (x + 1) / 2, or do not normalise them twice';
  }
}

function rangeOf(data: Float32Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
