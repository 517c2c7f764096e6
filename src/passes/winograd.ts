/**
 * Convolutions of three rows with half the multiplications: Winograd's F(4, 3) along the rows of images (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2015). Four rows of a result see six rows of the image, and are y = A·((G·w) ⊙ (B·x)): six products take the place
 * of twelve. Each of the six is a convolution along columns, a group of one Conv; products with matrices that hold A and B for all tiles of an
 * image take rows apart and put them together. A gradient is the same the other way round, dx = Bᵀ·((G·w) ⊙ᵀ (Aᵀ·dy)), and reads the same G·w. Rounding
 * errors are about three times those of a plain convolution: 1e-6 of the largest element.
 */
import {
  attributesOf,
  constantOf,
  type Graph,
  int,
  ints,
  multiplicationsOf,
  type Node,
  REPACKED_UP_TO,
  readersOf,
  type Tensor,
  type Value,
} from '../graph/index.js';
import { bytesInFiles } from './memory/index.js';
import { type Rewrite, rewriteGraph } from './transcribe.js';

/** Rows of a result that are computed together. */
const TILE = 4;

/** Rows of an image that they see, and products by which they are computed. */
const PRODUCTS = 6;

/** Rows of a kernel. */
const KERNEL = 3;

/** A: [row of the result, product]. */
const OF_RESULT = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

/** The product that every row of a result takes as it is, by the second column of A: a bias is added to that. */
const TAKEN_AS_IT_IS = 1;

/** B: [product, row of the image]. */
const OF_IMAGE = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];

/** G: [product, row of the kernel]. */
const OF_KERNEL = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** Convolutions with fewer multiplications are left: what is saved is not worth a second form of their weights, of twice the size. */
const WORTH = 2 ** 30;

/** What reading and writing the products of an element of an image takes, in multiplications of a large product. */
const MOVING = 85;

/** What bringing an element of a weight into this form takes. */
const MAKING = 350;

/** The share of a convolution's time that must be saved. */
const SAVED = 0.25;

/** A graph with such convolutions. */
export interface WinogradConvolutions {
  readonly graph: Graph;
  /**
   * Constants in it that a session may be given at every run: matrices that heights of images decide, and the last shapes of the weights. ONNX Runtime
   * does not know a weight then whose shape it is told late, and makes no further copies of it in other arrangements (100 MB for VGG16).
   */
  readonly given: ReadonlySet<Value>;
}

/** Rewrites the convolutions with constant weights, and their gradients, that this makes faster. */
export function winograd(source: Graph): WinogradConvolutions {
  const large = source.nodes.flatMap((node) => {
    const rows = multiplicationsOf(node) < WORTH ? undefined : rowsOf(node);
    return rows ? [{ node, rows }] : [];
  });
  if (large.length === 0) return { graph: source, given: new Set() };
  const usesOf = usesIn(source);
  const chosen = new Map(large.flatMap(({ node, rows }) => (pays(node, rows, usesOf) ? [[node, rows] as const] : [])));
  if (chosen.size === 0) return { graph: source, given: new Set() };
  const convolutions = new Convolutions(chosen);
  const graph = rewriteGraph(source, convolutions.rewrite);
  return { graph, given: convolutions.given };
}

/** How often a weight is read in the form that is made of it. With very many weights ONNX Runtime makes that at every run, else once. */
function usesIn(graph: Graph): (w: Value) => number {
  if (bytesInFiles(new Set(graph.nodes.flatMap(({ inputs }) => inputs))) <= REPACKED_UP_TO)
    return () => Number.POSITIVE_INFINITY;
  const readers = readersOf(graph);
  return (w) => readers.get(w)?.length ?? 1;
}

/** The rows of a convolution: those of the image, of the result, and of zeros in front of the image. */
interface Rows {
  readonly image: number;
  readonly result: number;
  readonly before: number;
}

const tilesOf = ({ result }: Rows): number => Math.ceil(result / TILE);

function pays(node: Node, rows: Rows, usesOf: (w: Value) => number): boolean {
  const w = node.inputs[1] as Value;
  const [out, into, , columns] = w.shape as [number, number, number, number];
  const plain = KERNEL * columns * out * into;
  const perRow = (PRODUCTS * tilesOf(rows)) / rows.result;
  const making = (MAKING * plain * plain) / (usesOf(w) * multiplicationsOf(node));
  const taken = perRow * columns * out * into + (perRow * rows.image + MOVING) * (out + into) + making;
  return taken < (1 - SAVED) * plain;
}

/** The rows of a Conv of this kind with a constant weight, or of the one whose gradient a ConvTranspose computes. */
function rowsOf(node: Node): Rows | undefined {
  const [x, w, bias] = node.inputs;
  const [given, made] = [x?.shape?.[2], node.outputs[0]?.shape?.[2]];
  if (given === undefined || made === undefined || x?.dtype !== 'float32') return undefined;
  if (!w || !isPlain(node, w) || !isFixed(w)) return undefined;
  const before = attributesOf(node).ints('pads')?.[0] ?? 0;
  if (node.op === 'Conv') return { image: given, result: made, before };
  return bias ? undefined : { image: made, result: given, before };
}

function isPlain(node: Node, { shape: kernel }: Value): boolean {
  if (node.domain !== '' || (node.op !== 'Conv' && node.op !== 'ConvTranspose')) return false;
  const attributes = attributesOf(node);
  const isAll = (name: string, expected: number): boolean =>
    attributes.ints(name)?.every((number) => number === expected) ?? true;
  return (
    kernel?.length === 4 &&
    kernel[2] === KERNEL &&
    attributes.int('group', 1) === 1 &&
    attributes.string('auto_pad', 'NOTSET') === 'NOTSET' &&
    attributes.ints('output_shape') === undefined &&
    isAll('strides', 1) &&
    isAll('dilations', 1) &&
    isAll('output_padding', 0)
  );
}

/** Whether it is a constant, or a constant in another arrangement. */
const isFixed = ({ constant, producer }: Value): boolean =>
  constant !== undefined || (producer?.inputs.every((input) => input === undefined || isFixed(input)) ?? false);

/** What a row of an image or a result is for a product of a tile. */
type Entry = (row: number, product: number, tile: number) => number;

/** The convolutions that are chosen in one graph. */
class Convolutions {
  readonly given = new Set<Value>();
  private readonly weights = new Map<Value, Tensor>();
  private readonly matrices = new Map<string, Tensor>();
  private readonly chosen: ReadonlyMap<Node, Rows>;

  constructor(chosen: ReadonlyMap<Node, Rows>) {
    this.chosen = chosen;
  }

  readonly rewrite: Rewrite = (node, [x, w, bias], target) => {
    const rows = this.chosen.get(node);
    if (!x || !w || !rows) return undefined;
    const isGradient = node.op === 'ConvTranspose';
    const products = this.taken(x, this.matrix(rows, !isGradient, true, target));
    const [, left = 0, , right = 0] = attributesOf(node).ints('pads') ?? [];
    const attributes = { group: int(PRODUCTS), pads: ints([0, left, 0, right]) };
    const channels = bias?.dim(0) ?? 0;
    const biases = bias?.pad([TAKEN_AS_IT_IS * channels], [(PRODUCTS - 1 - TAKEN_AS_IT_IS) * channels]);
    const [convolved] = target.emit(node.op, [products, this.weight(w), biases], attributes) as [Tensor];
    return [this.matrix(rows, isGradient, false, target).matmul(together(convolved))];
  };

  /** [B, C, rows, W] → [B, 6·C, tiles, W] */
  private taken(x: Tensor, matrix: Tensor): Tensor {
    const [batch, channels, rows, width] = x.shape as [number, number, number, number];
    return matrix
      .matmul(x.reshape([batch, 1, channels, rows, width]))
      .reshape([batch, PRODUCTS * channels, matrix.dim(3), width]);
  }

  /** G·w for all of a kernel: [out, in, 3, columns] → [6·out, in, 1, columns] */
  private weight(w: Tensor): Tensor {
    const known = this.weights.get(w.value);
    if (known) return known;
    const [out, into, , columns] = w.shape as [number, number, number, number];
    const matrix = w.graph.constant(constantOf('float32', [PRODUCTS, KERNEL], OF_KERNEL.flat()));
    const made = matrix
      .matmul(w.transpose([2, 0, 1, 3]).reshape([KERNEL, out * into * columns]))
      .reshape([PRODUCTS * out, into, 1, columns]);
    this.weights.set(w.value, made);
    const shape = made.value.producer?.inputs[1];
    if (shape) this.given.add(shape);
    return made;
  }

  /**
   * A or B for all tiles of an image.
   * @param takesApart as [1, 6, 1, tiles, rows], by which rows are taken apart; else as [rows, 6·tiles], by which products are put together
   */
  private matrix(rows: Rows, ofImage: boolean, takesApart: boolean, graph: Graph): Tensor {
    const key = JSON.stringify([rows, ofImage, takesApart]);
    const known = this.matrices.get(key);
    if (known) return known;
    const [tiles, height] = [tilesOf(rows), ofImage ? rows.image : rows.result];
    const entry = ofImage ? entryOfImage(rows) : entryOfResult;
    const products = PRODUCTS * tiles;
    const numbers = Float64Array.from({ length: products * height }, (_, i) => {
      const [row, product] = takesApart
        ? [i % height, Math.floor(i / height)]
        : [Math.floor(i / products), i % products];
      return entry(row, Math.floor(product / tiles), product % tiles);
    });
    const shape = takesApart ? [1, PRODUCTS, 1, tiles, height] : [height, products];
    const made = graph.constant(constantOf('float32', shape, numbers));
    this.matrices.set(key, made);
    this.given.add(made.value);
    return made;
  }
}

const entryOfImage =
  ({ before }: Rows): Entry =>
  (row, product, tile) =>
    OF_IMAGE[product]?.[row + before - tile * TILE] ?? 0;

const entryOfResult: Entry = (row, product, tile) =>
  Math.floor(row / TILE) === tile ? (OF_RESULT[row % TILE]?.[product] ?? 0) : 0;

/** [B, 6·C, tiles, W] → [B, C, 6·tiles, W] */
function together(x: Tensor): Tensor {
  const [batch, channels, tiles, width] = x.shape as [number, number, number, number];
  return x
    .reshape([batch, PRODUCTS, channels / PRODUCTS, tiles * width])
    .transpose([0, 2, 1, 3])
    .reshape([batch, channels / PRODUCTS, PRODUCTS * tiles, width]);
}
