/** A warning, once, when images do not hold the values that a model expects: the most repeated mistake of the field. */
import type { TypedArray } from '../graph/index.js';
import { describeRange, INPUT_RANGES, type InputRange } from './input-range.js';

/** How many images are looked at: a mistake shows in the first batches. */
const LOOKS = 20;
/** Where images in [0, 1] that were sharpened or interpolated still lie. */
const UNIT = { low: -0.5, high: 2 };
/** Beyond it, values are neither in [0, 1] or [−1, 1] nor normalised: most likely bytes. */
const BYTES = 10;

/** What images are expected to be. */
export interface Expected {
  /** Whether the transform has a Normalize, which expects images in [0, 1]. */
  readonly normalizes: boolean;
  /** What the caller says they are. */
  readonly inputRange?: InputRange | undefined;
}

export class RangeWarning {
  private readonly expected: Expected;
  private readonly logger: (message: string) => void;
  private looks = LOOKS;

  constructor(expected: Expected, logger: (message: string) => void) {
    this.expected = expected;
    this.logger = logger;
  }

  /** Looks at an image, unless it has warned or seen enough. @param name what the message calls it. */
  inspect(name: string, data: TypedArray | undefined): void {
    if (this.looks === 0 || !(data instanceof Float32Array)) return;
    this.looks -= 1;
    const [low, high] = extremes(data);
    const expectation = unmet(this.expected, low, high);
    if (expectation === undefined) return;
    this.looks = 0;
    const values = `values from ${low.toFixed(2)} to ${high.toFixed(2)}`;
    this.logger(`warning: ${name} holds ${values}; ${expectation}: ${remedy(low, high)}`);
  }
}

/** What images of these values do not meet; nothing where they may be what they should. */
function unmet({ normalizes, inputRange }: Expected, low: number, high: number): string | undefined {
  if (inputRange) return fits(inputRange, low, high) ? undefined : `inputRange says ${describeRange(inputRange)}`;
  if (normalizes) return fits([0, 1], low, high) ? undefined : 'Normalize expects images in [0, 1]';
  // Without either, a model may take images in [−1, 1], or such as the caller has normalised.
  return high > BYTES ? 'few models expect images in [0, 255]' : undefined;
}

/** Whether values may be those of a range: not far beyond it, and not in a narrower one alone. An even image tells little. */
function fits([black, white]: InputRange, low: number, high: number): boolean {
  const [least, most] = [low, high].map((value) => (value - black) / (white - black)) as [number, number];
  if (least < UNIT.low || most > UNIT.high) return false;
  if (low === high || white - black === 1) return true;
  return white === 255 ? high > UNIT.high : low < 0;
}

function remedy(low: number, high: number): string {
  const likely = INPUT_RANGES.find((range) => isLikely(range, low, high));
  if (likely === undefined) return 'they fit no inputRange; do not normalise images twice';
  return `set inputRange: ${describeRange(likely)} (on the command line, --input-range ${likely.join(',')})`;
}

/** Whether values are those of a range, taken strictly. */
function isLikely([black, white]: InputRange, low: number, high: number): boolean {
  if (white === 255) return low >= -BYTES && high > BYTES;
  return black === 0 ? low >= UNIT.low && high <= UNIT.high : low >= -1.1 && high <= 1.1;
}

function extremes(data: Float32Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  // By index: an iterator takes several times as long, at every step.
  for (let i = 0; i < data.length; i += 1) {
    const value = data[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
