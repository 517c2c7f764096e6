/** Tensors as pictures; Node only. */
import type { Sharp } from 'sharp';
import { GlobalPercError, sizeOf } from '../graph/index.js';
import { type Checks, checkOptions, count, listOf, required, string } from '../options/index.js';
import { loadSharp } from './sharp.js';
import { type ImageTensor, requireTensor } from './tensor.js';

/** Images beside each other. */
export interface ContactSheetRow {
  /** Written to the left of the images. */
  readonly label?: string;
  /** One per column, [3, H, W] or [1, H, W] in [0, 1]. */
  readonly images: readonly ImageTensor[];
}

/** A contact sheet. */
export interface ContactSheet {
  readonly rows: readonly ContactSheetRow[];
  /** Headings, e.g. `['input', 'output', 'target']`. */
  readonly columns: readonly string[];
  /** Pixels a side that each pixel of the largest image becomes. Default: until cells have 192 pixels a side. */
  readonly scale?: number;
}

const ROW: Checks<ContactSheetRow> = { label: string, images: required(listOf(requireTensor)) };
const SHEET: Checks<ContactSheet> = {
  rows: required(listOf((value, where) => checkOptions(value, ROW, where))),
  columns: required(listOf(string)),
  scale: count,
};

/** Pixels. */
const [GAP, LEAST_CELL, FONT] = [12, 192, 16];

/** Width of a character as a fraction of the font size, generously. */
const CHARACTER = 0.62;

/**
 * An image as PNG.
 * @param image [3, H, W] or grey [1, H, W]; values are clamped to [0, 1], NaN becomes 0.
 * @throws GlobalPercError on any other shape, and when sharp is not installed.
 */
export async function encodePng(image: ImageTensor): Promise<Uint8Array> {
  const [, height, width] = requireImage(image);
  const canvas = new Canvas(height, width);
  canvas.paint(image, 0, 0, 1);
  return (await canvas.image()).png().toBuffer();
}

/**
 * A grid of images on white, as PNG, with a heading above each column and a label beside each row. Images smaller than
 * others are enlarged to the same size as far as an integer allows; pixels stay squares.
 * @throws GlobalPercError when there are no images, a row has not one image per column, a shape is not that of an
 * image, or sharp is not installed.
 */
export async function contactSheet(sheet: ContactSheet): Promise<Uint8Array> {
  const { rows, columns, scale } = checkOptions(sheet, SHEET, 'contactSheet');
  const images = requireGrid(rows, columns).map(requireImage);
  const [height, width] = [Math.max(...images.map(([, h]) => h)), Math.max(...images.map(([, , w]) => w))];
  const factor = scale ?? Math.ceil(LEAST_CELL / Math.min(height, width));
  const layout = new Layout(height * factor, width * factor, rows);
  const canvas = new Canvas(layout.top(rows.length), layout.left(columns.length));
  rows.forEach((row, i) => {
    row.images.forEach((image, j) => {
      const [, h, w] = requireImage(image);
      const enlarged = Math.floor(Math.min(layout.cellHeight / h, layout.cellWidth / w));
      canvas.paint(image, layout.top(i), layout.left(j), enlarged);
    });
  });
  const text = Buffer.from(layout.text(rows, columns, canvas));
  return (await canvas.image())
    .composite([{ input: text }])
    .png()
    .toBuffer();
}

/** Where cells and texts lie. */
class Layout {
  readonly cellHeight: number;
  readonly cellWidth: number;
  private readonly margin: number;

  constructor(cellHeight: number, cellWidth: number, rows: readonly ContactSheetRow[]) {
    this.cellHeight = cellHeight;
    this.cellWidth = cellWidth;
    const longest = Math.max(...rows.map(({ label = '' }) => label.length));
    this.margin = longest === 0 ? GAP : 2 * GAP + Math.ceil(longest * CHARACTER * FONT);
  }

  /** Upper edge of a row of cells. */
  top(row: number): number {
    return 2 * GAP + FONT + row * (this.cellHeight + GAP);
  }

  /** Left edge of a column of cells. */
  left(column: number): number {
    return this.margin + column * (this.cellWidth + GAP);
  }

  /** Headings and labels as SVG of the canvas's size. */
  text(rows: readonly ContactSheetRow[], columns: readonly string[], { height, width }: Canvas): string {
    const headings = columns.map((heading, i) => {
      const size = Math.min(FONT, this.cellWidth / (CHARACTER * Math.max(1, heading.length)));
      const [x, y] = [this.left(i) + this.cellWidth / 2, GAP + FONT - 2];
      return `<text x="${x}" y="${y}" font-size="${size}" text-anchor="middle">${escaped(heading)}</text>`;
    });
    const labels = rows.map(({ label = '' }, i) => {
      const y = this.top(i) + this.cellHeight / 2 + FONT / 3;
      return `<text x="${GAP}" y="${y}" font-size="${FONT}">${escaped(label)}</text>`;
    });
    const attributes = `width="${width}" height="${height}" font-family="sans-serif" fill="#222"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${headings.join('')}${labels.join('')}</svg>`;
  }
}

/** White RGB bytes to paint on. */
class Canvas {
  readonly height: number;
  readonly width: number;
  private readonly bytes: Uint8Array;

  constructor(height: number, width: number) {
    this.height = height;
    this.width = width;
    this.bytes = new Uint8Array(3 * height * width).fill(255);
  }

  /** Paints an image with its upper left corner at [top, left], each pixel a square of `scale`. */
  paint({ dims, data }: ImageTensor, top: number, left: number, scale: number): void {
    const [channels, height, width] = dims as readonly [number, number, number];
    const area = height * width;
    for (let y = 0; y < height * scale; y += 1) {
      for (let x = 0; x < width * scale; x += 1) {
        const from = Math.floor(y / scale) * width + Math.floor(x / scale);
        const to = 3 * ((top + y) * this.width + left + x);
        for (let channel = 0; channel < 3; channel += 1) {
          const value = data[(channel % channels) * area + from] as number;
          this.bytes[to + channel] = Math.round(255 * Math.min(Math.max(value, 0), 1));
        }
      }
    }
  }

  async image(): Promise<Sharp> {
    const sharp = await loadSharp();
    return sharp(this.bytes, { raw: { width: this.width, height: this.height, channels: 3 } });
  }
}

function requireGrid(rows: readonly ContactSheetRow[], columns: readonly string[]): ImageTensor[] {
  if (rows.length === 0 || columns.length === 0) {
    throw new GlobalPercError('contactSheet needs at least one row and one column', { code: 'invalid-argument' });
  }
  rows.forEach(({ images }, i) => {
    if (images.length === columns.length) return;
    throw new GlobalPercError(
      `contactSheet: row ${i} has ${images.length} images, the sheet ${columns.length} columns; give one image per column`,
      { code: 'invalid-argument' },
    );
  });
  return rows.flatMap(({ images }) => images);
}

function requireImage(image: ImageTensor): readonly [number, number, number] {
  const { dims, data } = requireTensor(image, 'a picture');
  const isImage = dims.length === 3 && (dims[0] === 1 || dims[0] === 3) && data.length === sizeOf(dims);
  if (isImage && data.length > 0) return dims as unknown as readonly [number, number, number];
  throw new GlobalPercError(
    `a picture should have the shape [3, H, W] or [1, H, W], got [${dims}] with ${data.length} values`,
    { code: 'invalid-argument' },
  );
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
