/** What the demo says of its students: numbers, and details of the photographs. */
import { crop, type ImageTensor } from '../data/index.js';
import { LPIPS } from '../index.js';
import { formatTable } from './common.js';
import { gmsd, psnr } from './measures.js';
import { writeSamples } from './report.js';

/** A student, as the photographs that it has not seen show it. */
export interface Shown {
  readonly name: string;
  readonly outputs: readonly ImageTensor[];
  /** Whether AlexNet's activations were what it was trained on. */
  readonly sawAlexNet: boolean;
}

/** Means over the photographs. */
export interface Measured {
  readonly name: string;
  readonly gmsd: number;
  readonly psnr: number;
  /** With AlexNet; null where that is no independent judge. */
  readonly lpips: number | null;
}

type Measure = (output: ImageTensor, target: ImageTensor) => number | Promise<number>;

/** The mean of a measure over photographs. */
export async function meanOf(
  measure: Measure,
  outputs: readonly ImageTensor[],
  targets: readonly ImageTensor[],
): Promise<number> {
  let sum = 0;
  for (const [i, output] of outputs.entries()) sum += await measure(output, targets[i] as ImageTensor);
  return sum / outputs.length;
}

export async function measured(students: readonly Shown[], targets: readonly ImageTensor[]): Promise<Measured[]> {
  await using lpips = new LPIPS();
  const learned: Measure = (output, target) => lpips.evaluate(batchOf(output), batchOf(target));
  const rows: Measured[] = [];
  for (const { name, outputs, sawAlexNet } of students) {
    rows.push({
      name,
      gmsd: await meanOf(gmsd, outputs, targets),
      psnr: await meanOf(psnr, outputs, targets),
      lpips: sawAlexNet ? null : await meanOf(learned, outputs, targets),
    });
  }
  return rows;
}

/** A batch of one image, clamped to [0, 1] as it is shown. */
const batchOf = ({ dims, data }: ImageTensor): ImageTensor => ({
  dims: [1, ...dims],
  data: data.map((value) => Math.min(1, Math.max(0, value))),
});

/** The rows as a table, and what its numbers mean. */
export function describeResults(rows: readonly Measured[]): string {
  const cells = rows.map(({ name, gmsd: deviation, psnr: decibels, lpips }) => [
    name,
    deviation.toFixed(4),
    decibels.toFixed(2),
    lpips?.toFixed(4) ?? '-',
  ]);
  const dependent = rows.filter(({ lpips }) => lpips === null).map(({ name }) => name);
  return [
    formatTable(['photographs kept out of training', 'GMSD', 'PSNR', 'LPIPS'], cells),
    'GMSD and LPIPS: lower is more alike; PSNR: higher. No student was trained on GMSD or PSNR.',
    `LPIPS compares activations of AlexNet; ${dependent.join(' and ')} was trained on them, so it could not judge that student independently.`,
  ].join('\n');
}

/** Places in the photographs that are shown enlarged: index, top, left. */
const DETAILS = [
  [0, 190, 150],
  [0, 110, 330],
  [1, 110, 60],
  [1, 180, 260],
] as const;
const SIDE = 96;

/** Writes `samples.png`: details of the photographs, a column per student and one of what they should be. */
export function writeDetails(
  folder: string,
  students: readonly Shown[],
  targets: readonly ImageTensor[],
): Promise<void> {
  const columns = [...students.map(({ outputs }) => outputs), targets];
  const rows = DETAILS.map(([photo, top, left]) =>
    columns.map((images) => crop(images[photo] as ImageTensor, { top, left, height: SIDE, width: SIDE })),
  );
  return writeSamples(folder, [...students.map(({ name }) => name), 'target'], rows);
}
