/** What the demo says of its students: numbers, and details of the photographs. */
import { join } from 'node:path';
import { contactSheet, crop, type ImageTensor, writeAtomically } from '../data/index.js';
import { type Loss, LPIPS } from '../index.js';
import { heatMap } from './colours.js';
import { formatTable } from './common.js';
import { withScale } from './heat-map.js';
import { gmsd, psnr } from './measures.js';

/** A student, as the photographs that it has not seen show it. */
export interface Shown {
  readonly name: string;
  readonly outputs: readonly ImageTensor[];
  /** Where they are still wrong, `[1, H, W]` each; none of what was not trained. */
  readonly errors?: readonly ImageTensor[];
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

/** Where outputs still differ from targets, as a loss sees it: `[1, H, W]` for each. */
export async function errorsOf(
  loss: Loss,
  outputs: readonly ImageTensor[],
  targets: readonly ImageTensor[],
): Promise<ImageTensor[]> {
  const errors: ImageTensor[] = [];
  for (const [i, output] of outputs.entries()) {
    const { map } = await loss.map(batchOf(output), batchOf(targets[i] as ImageTensor));
    errors.push({ dims: map.dims.slice(1), data: map.data });
  }
  return errors;
}

/** Places in the photographs that are shown enlarged. */
const DETAILS = [
  { photo: 0, top: 190, left: 150 },
  { photo: 0, top: 110, left: 330 },
  { photo: 1, top: 110, left: 60 },
  { photo: 1, top: 180, left: 260 },
] as const;
const SIDE = 96;

const details = (images: readonly ImageTensor[]): ImageTensor[] =>
  DETAILS.map(({ photo, ...place }) => crop(images[photo] as ImageTensor, { ...place, height: SIDE, width: SIDE }));

/** Writes `samples.png`, a detail per row: of every student, of the target, and heat maps of the errors, which share one scale. */
export async function writeDetails(
  folder: string,
  students: readonly Shown[],
  targets: readonly ImageTensor[],
): Promise<void> {
  const pictures = [...students, { name: 'target', outputs: targets }];
  const errors = students.flatMap(({ name, errors: maps }) => (maps ? [{ name, maps: details(maps) }] : []));
  const most = errors.flatMap(({ maps }) => maps).reduce((sofar, { data }) => Math.max(sofar, ...data), 0);
  const columns = [
    ...pictures.map(({ outputs }) => details(outputs)),
    ...errors.map(({ maps }) => maps.map(({ data }) => heatMap(data, SIDE, SIDE, most))),
  ];
  const sheet = await contactSheet({
    columns: [...pictures.map(({ name }) => name), ...errors.map(({ name }) => `error of ${name}`)],
    rows: DETAILS.map((_, i) => ({ images: columns.map((images) => images[i] as ImageTensor) })),
  });
  const picture = await withScale(sheet, "error: how far AlexNet's activations are from the target's", most);
  await writeAtomically(join(folder, 'samples.png'), picture);
}
