/** What is shown of training runs: their curves and samples of what the students make. */
import { join } from 'node:path';
import { contactSheet, type ImageTensor, writeAtomically } from '../data/index.js';
import { LOOK, toSvg, writePlot } from './plot.js';

/** One curve. */
export interface Curve {
  readonly label: string;
  readonly values: readonly { readonly step: number; readonly value: number }[];
}

/** The smoothed curve is the mean over this share of all steps. */
const WINDOW = 1 / 20;
/** Width of the smoothed lines. */
const WIDTH = 2;

/** Writes `curves.svg` and `curves.png`: each curve smoothed, and faint as it was measured where that differs. */
export async function writeCurves(
  folder: string,
  title: string,
  yTitle: string,
  curves: readonly Curve[],
): Promise<void> {
  const svg = await plot(title, yTitle, curves);
  for (const name of ['curves.svg', 'curves.png']) await writePlot(join(folder, name), svg);
}

function plot(title: string, yTitle: string, curves: readonly Curve[]): Promise<string> {
  const values = curves.flatMap(({ label, values: points }) => {
    const means = smoothed(points.map(({ value }) => value));
    return points.map((point, i) => ({ label, ...point, mean: means[i] as number }));
  });
  const positive = values.every(({ value }) => value > 0);
  const color = {
    field: 'label',
    type: 'nominal',
    scale: { domain: curves.map(({ label }) => label) },
    // A legend would take its looks from the faint lines.
    legend: curves.length > 1 ? { title: null, symbolOpacity: 1, symbolStrokeWidth: WIDTH } : null,
  };
  const encoding = (field: string): object => ({
    x: { field: 'step', type: 'quantitative', title: 'step' },
    y: {
      field,
      type: 'quantitative',
      title: yTitle,
      scale: { ...(positive ? { type: 'log' } : { zero: false }), nice: false, padding: 10 },
    },
    color,
  });
  const faint = { mark: { type: 'line', opacity: 0.25, strokeWidth: 1 }, encoding: encoding('value') };
  const bold = { mark: { type: 'line', strokeWidth: WIDTH }, encoding: encoding('mean') };
  const noisy = values.some(({ value, mean }) => value !== mean);
  return toSvg({ ...LOOK, title, data: { values }, layer: noisy ? [faint, bold] : [bold] });
}

/** The mean over a window around each value. */
function smoothed(values: readonly number[]): number[] {
  const reach = Math.floor((values.length * WINDOW) / 2);
  return values.map((_, i) => {
    const around = values.slice(Math.max(0, i - reach), i + reach + 1);
    return around.reduce((sum, value) => sum + value, 0) / around.length;
  });
}

/** Writes `samples.png`, or a picture of another name: a row per image, a column per heading. @returns the picture as PNG. */
export async function writeSamples(
  folder: string,
  columns: readonly string[],
  rows: readonly (readonly ImageTensor[])[],
  name = 'samples.png',
): Promise<Uint8Array> {
  const picture = await contactSheet({ columns: [...columns], rows: rows.map((images) => ({ images: [...images] })) });
  await writeAtomically(join(folder, name), picture);
  return picture;
}

/** The single images `[C, H, W]` of a batch. */
export function imagesOf({
  dims,
  data,
}: {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}): ImageTensor[] {
  const [count = 0, ...image] = dims;
  const size = data.length / count;
  const numbers = data as Float32Array;
  return Array.from({ length: count }, (_, i) => ({ dims: image, data: numbers.slice(i * size, (i + 1) * size) }));
}
