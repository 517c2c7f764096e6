/** Where activations are: which of their dimensions are places of the image, and how a plane of it meets them. */
import { concat, constantOf, type Graph, type Shape, type Tensor } from '../graph/index.js';
import type { Reduction } from './distances.js';

export type Grid = readonly [rows: number, columns: number];

/** The dimensions of an activation that are places. */
export interface Places {
  readonly grid: Grid;
  /** 2 and 3 of `[B, C, h, w]`, 1 and 2 of `[B, h, w, C]`, or 1 of tokens `[B, N, C]`, which follow each other row by row. */
  readonly axes: readonly number[];
  /** Tokens in front of those: class and register tokens, which have no place. */
  readonly withoutPlace: number;
}

/** Operators whose result `[B, C, h, w]` says what sizes there are in a model. */
const SPATIAL = new Set(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'LpPool', 'Resize', 'DepthToSpace']);
/** Most models have up to four register tokens beside that of the class. */
const MOST_WITHOUT_PLACE = 8;

/** The sizes that activations of an image of some size have in a graph, and their halves, as where patches are merged. */
export function gridsIn({ nodes }: Graph, size: Grid): readonly Grid[] {
  const grids = new Map<string, Grid>();
  const found = nodes.flatMap(({ op, outputs }) => {
    const shape = SPATIAL.has(op) ? outputs[0]?.shape : undefined;
    return shape?.length === 4 ? [shape.slice(2) as unknown as Grid] : [];
  });
  for (let [rows, columns] of [size, ...found]) {
    while (rows * columns > 1) {
      grids.set(`${rows} ${columns}`, [rows, columns]);
      [rows, columns] = [Math.ceil(rows / 2), Math.ceil(columns / 2)];
    }
  }
  return [...grids.values()];
}

/** The places of an activation; undefined where it has none, as behind a pooling of the whole, or where they cannot be told. */
export function placesOf(shape: Shape, batch: number, grids: readonly Grid[]): Places | undefined {
  if (shape[0] !== batch) return undefined;
  if (shape.length === 3) return tokenPlaces(shape[1] as number, grids);
  if (shape.length !== 4) return undefined;
  for (const axes of [[2, 3] as const, [1, 2] as const]) {
    const grid = grids.find(([rows, columns]) => rows === shape[axes[0]] && columns === shape[axes[1]]);
    if (grid) return { grid, axes, withoutPlace: 0 };
  }
  return undefined;
}

function tokenPlaces(tokens: number, grids: readonly Grid[]): Places | undefined {
  const fitting = grids
    .map((grid) => ({ grid, axes: [1], withoutPlace: tokens - grid[0] * grid[1] }))
    .filter(({ withoutPlace }) => withoutPlace >= 0 && withoutPlace <= MOST_WITHOUT_PLACE);
  return fitting.sort((a, b) => a.withoutPlace - b.withoutPlace)[0];
}

/** Whether a distance keeps the places of the activation it compares. */
export const keepsPlaces = ({ axes }: Places, elements: Tensor, activation: Tensor): boolean =>
  elements.rank === activation.rank && axes.every((axis) => elements.dim(axis) === activation.dim(axis));

/**
 * Weights of an activation's elements, to be broadcast: the means of a plane `[B, 1, H, W]` over the part of the image at each
 * place. What has no place weighs the mean of the others.
 */
export function weightsAt({ grid, axes, withoutPlace }: Places, plane: Tensor): Tensor {
  const means = areaMeans(plane, grid);
  if (axes.length === 2) return axes[0] === 2 ? means : means.reshape([plane.dim(0), ...grid, 1]);
  const tokens = means.reshape([plane.dim(0), -1, 1]);
  if (withoutPlace === 0) return tokens;
  return concat([tokens.mean([1], true).expand([plane.dim(0), withoutPlace, 1]), tokens], 1);
}

/** Distances as a plane `[B, 1, h, w]`, whose mean is that of the sample, or its sum where that is the reduction. */
export function planeOf({ grid, axes, withoutPlace }: Places, elements: Tensor, reduction: Reduction): Tensor {
  const placed = withoutPlace > 0 ? elements.slice([1], [withoutPlace], [elements.dim(1)]) : elements;
  const over = axes[0] === 2 ? [1] : [placed.rank - 1];
  const plane = (reduction === 'sum' ? placed.sum(over).mul(grid[0] * grid[1]) : placed.mean(over)) as Tensor;
  return plane.reshape([elements.dim(0), 1, ...grid]);
}

/** Means over the parts into which a plane `[B, 1, H, W]` falls. */
function areaMeans(plane: Tensor, [rows, columns]: Grid): Tensor {
  const [down, right] = [areaMatrix(plane, plane.dim(2), rows), areaMatrix(plane, plane.dim(3), columns)];
  const tall = down ? down.matmul(plane) : plane;
  return right ? tall.matmul(right.swapAxes(0, 1)) : tall;
}

/** Row i is the mean of the pixels that part i of `to` touches, as PyTorch's `adaptive_avg_pool2d` and `interpolate(mode='area')` take it. */
function areaMatrix({ graph }: Tensor, from: number, to: number): Tensor | undefined {
  if (from === to) return undefined;
  const shares = new Float32Array(to * from);
  for (let part = 0; part < to; part += 1) {
    const [start, end] = [Math.floor((part * from) / to), Math.ceil(((part + 1) * from) / to)];
    shares.fill(1 / (end - start), part * from + start, part * from + end);
  }
  return graph.constant(constantOf('float32', [to, from], shares));
}
