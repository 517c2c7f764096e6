/** Where the points of a chart lie: pure arithmetic of scales, ticks and thinning. */

export type Point = readonly [x: number, y: number];

/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** Of the style sheet, e.g. `--accent`. */
  readonly colour: string;
  readonly points: readonly Point[];
  /** Drawn faintly behind: what the line is the mean of. */
  readonly raw?: readonly Point[];
}

/** From values to pixels; decades stand at equal distances where it is logarithmic. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly log: boolean;
}

/** A scale that holds some values. */
export function scaleOf(values: readonly number[], log: boolean): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (finite.length === 0) return log ? { from: 0.1, to: 1, log } : { from: 0, to: 1, log };
  const least = finite.reduce((a, b) => Math.min(a, b));
  const most = finite.reduce((a, b) => Math.max(a, b));
  if (log) return least === most ? { from: least / 2, to: most * 2, log } : { from: least, to: most, log };
  return least === most ? { from: least - 0.5, to: most + 0.5, log } : { from: least, to: most, log };
}

/** The place of a value, 0 at the scale's beginning, 1 at its end. */
export function placeOf(value: number, { from, to, log }: Scale): number {
  if (!log) return (value - from) / (to - from);
  return (Math.log(Math.max(value, Number.MIN_VALUE)) - Math.log(from)) / (Math.log(to) - Math.log(from));
}

/** The value of a place. */
export function valueAt(place: number, { from, to, log }: Scale): number {
  return log ? from * (to / from) ** place : from + place * (to - from);
}

/** Round numbers on a scale, about as many as are wanted. */
export function ticksOf({ from, to, log }: Scale, count: number): number[] {
  if (log && to / from > 8) {
    const decades = Math.log10(to / from);
    const steps = decades > count ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
    const first = Math.floor(Math.log10(from));
    return Array.from({ length: Math.ceil(decades) + 2 }, (_, i) => steps.map((step) => step * 10 ** (first + i)))
      .flat()
      .filter((tick) => tick >= from * 0.999 && tick <= to * 1.001);
  }
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

/** A number in few characters. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace('e+', 'e').replace('.0e', 'e');
  return String(Number(value.toPrecision(3)));
}

/** Fewer points that look the same: of each stretch the least and the greatest. */
export function thinned(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const stretch = Math.ceil((2 * points.length) / most);
  const result: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const least = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const greatest = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    result.push(...(least[0] < greatest[0] ? [least, greatest] : [greatest, least]));
  }
  return result;
}

/** The mean over a window around each point, a twentieth of all, as the command's own curves have it. */
export function smoothed(points: readonly Point[]): readonly Point[] {
  const reach = Math.floor(points.length / 40);
  if (reach === 0) return points;
  const sums = [0];
  for (const [, y] of points) sums.push((sums.at(-1) as number) + y);
  return points.map(([x], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)];
    return [x, ((sums[to] as number) - (sums[from] as number)) / (to - from)];
  });
}

/** The point at an x, or the nearest to it. */
export function nearest(points: readonly Point[], x: number): Point | undefined {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((points[middle] as Point)[0] < x) low = middle;
    else high = middle;
  }
  const [a, b] = [points[low], points[high]];
  return a && b && Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a;
}
