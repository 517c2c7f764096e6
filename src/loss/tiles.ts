/** Tiles of a picture: where they lie, and how they are taken out and put back. */
import { GlobalPercError, type Shape, sameShape, sizeOf } from '../graph/index.js';
import type { HostTensor } from '../runtime/index.js';

/** A part of a picture, in pixels. */
export interface Tile {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Tiles of one size that cover a picture, evenly spaced, row by row.
 * @param shape of a batch of pictures, height and width last. @param overlap less than `tile`.
 * @throws GlobalPercError for what is no batch of pictures.
 */
export function tilesOf(shape: Shape, tile: number, overlap: number): readonly Tile[] {
  const [rows, columns] = shape.slice(-2);
  if (shape.length !== 4 || !rows || !columns) {
    throw new GlobalPercError(`TiledLoss: pictures [B, C, H, W] have tiles, got shape [${shape}]`, {
      code: 'invalid-argument',
    });
  }
  const [height, width] = [Math.min(tile, rows), Math.min(tile, columns)];
  return starts(rows, tile, overlap).flatMap((top) =>
    starts(columns, tile, overlap).map((left) => ({ top, left, height, width })),
  );
}

function starts(size: number, tile: number, overlap: number): readonly number[] {
  if (size <= tile) return [0];
  const steps = Math.ceil((size - tile) / (tile - overlap));
  return Array.from({ length: steps + 1 }, (_, i) => Math.round((i * (size - tile)) / steps));
}

type Floats = Pick<HostTensor, 'dims'> & { readonly data: Float32Array };

/** The rows of a tile in a tensor whose last dimensions are height and width: where they begin there, and in the tile. */
function* rowsOf(
  { dims, data }: Floats,
  { top, left, height, width }: Tile,
): Generator<readonly [from: number, to: number]> {
  const [rows, columns] = dims.slice(-2) as [number, number];
  const planes = data.length / (rows * columns);
  for (let plane = 0; plane < planes; plane += 1)
    for (let row = 0; row < height; row += 1)
      yield [(plane * rows + top + row) * columns + left, (plane * height + row) * width];
}

/** @throws GlobalPercError where a picture and another have not the same height and width. */
export function requireAlike(shape: Shape, other: Shape): void {
  if (sameShape(shape.slice(-2), other.slice(-2))) return;
  throw new GlobalPercError(
    `TiledLoss cuts prediction and target alike: height and width should be the same, got [${other}] and [${shape}]`,
    { code: 'invalid-argument' },
  );
}

/** A tile of a tensor. */
export function cut(whole: Floats, tile: Tile): HostTensor & Floats {
  const { dims, data } = whole;
  const shape = [...dims.slice(0, -2), tile.height, tile.width];
  const part = new Float32Array(sizeOf(shape));
  for (const [from, to] of rowsOf(whole, tile)) part.set(data.subarray(from, from + tile.width), to);
  return { dtype: 'float32', dims: shape, data: part };
}

/** Adds a tile, times a factor, where it lies. */
export function paste(whole: Floats, tile: Tile, part: Float32Array, factor: number): void {
  for (const [to, from] of rowsOf(whole, tile))
    for (let i = 0; i < tile.width; i += 1)
      whole.data[to + i] = (whole.data[to + i] as number) + factor * (part[from + i] as number);
}
