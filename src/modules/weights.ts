/**
 * The weights of a model, one for each module that holds it.
 *
 * Exporters store equal tensors once, whoever holds them: the zeros of two new biases, the ones of two norms. What modules
 * of different paths read is taken apart where every element is the same, or where the paths differ in their numbers alone,
 * as those of copied blocks do. Any other tensor that several modules read cannot be equal by chance: it is tied, as an
 * embedding and the head behind it are, and stays one weight.
 *
 * A file does not tell a tied weight from one that was copied and has not been trained since; nor a parameter from a
 * buffer: tensors of PyTorch's buffers (a mask, a mean to subtract) are among the weights.
 */
import { attributesOf, byteLengthOf, type Node, sizeOf, typedArray, type Value } from '../graph/index.js';
import { groupBy } from './group.js';

/** A weight as the modules that hold it read it. */
export interface Weight {
  /** `conv.weight`: the name in the file where that names a parameter of the module, else made from the module's path. */
  readonly name: string;
  /** The constant of the file. */
  readonly value: Value;
  /** Name of the value that is read, which can be another name of the constant. */
  readonly alias: string;
  /** Paths of the modules that read it; several where it is tied. */
  readonly paths: readonly string[];
  readonly readers: readonly Reader[];
}

/** One input of a node. */
interface Reader {
  readonly node: Node;
  readonly input: number;
  readonly value: Value;
  readonly alias: string;
  readonly path: string;
}

/** The float32 weights of one dimension or more that some nodes read, in the order in which they are first read. */
export function weightsOf(nodes: readonly Node[]): Weight[] {
  const sizing = computingSizes(nodes);
  const readers = nodes.filter((node) => !sizing.has(node)).flatMap(readersOf);
  const places = new Map(readers.map((reader, i) => [reader, i]));
  const place = ([first]: readonly Reader[]): number => places.get(first as Reader) as number;
  const constants = groupBy(readers, ({ value }) => value);
  const parts = Array.from(constants.values(), holders).flat();
  const taken = new Set<string>();
  return parts
    .toSorted((a, b) => place(a) - place(b))
    .map((own) => {
      const { value, alias } = own[0] as Reader;
      const name = nameOf(own, own.length === constants.get(value)?.length);
      const unique = taken.has(name) ? `${name}#${value.name}` : name;
      taken.add(unique);
      return { name: unique, value, alias, paths: outermost(own), readers: own };
    });
}

/** The inputs of a node that are weights; an Identity gives one another name. */
function readersOf(node: Node): Reader[] {
  if (node.op === 'Identity') return [];
  return node.inputs.flatMap((read, input) => {
    const value = behindIdentities(read);
    const isWeight = read && value && isLearnt(node, input, value, read.name);
    return isWeight ? [{ node, input, value, alias: read.name, path: node.modulePath ?? '' }] : [];
  });
}

const behindIdentities = (value: Value | undefined): Value | undefined =>
  value?.producer?.op === 'Identity' ? behindIdentities(value.producer.inputs[0]) : value;

/** Inputs that hold float constants which are no weights: statistics, scales, limits, states, positions. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Resize: [1, 2],
  Pad: [2],
  Clip: [1, 2],
  Range: [0, 1, 2],
  OneHot: [2],
  Where: [0, 1, 2],
  GridSample: [1],
  RoiAlign: [1],
  LSTM: [5, 6],
  GRU: [5],
  RNN: [5],
};

/** Inputs that say how large an output is: no type is known before them, whatever computes them. */
const SIZE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Resize: [1, 2, 3],
  Reshape: [1],
  Expand: [1],
  Tile: [1],
  ConstantOfShape: [0],
  Range: [0, 1, 2],
  Slice: [1, 2, 3, 4],
  Pad: [1],
};

/** Nodes that compute nothing but sizes: an exporter that folds nothing writes the scales of a Resize as a Concat of constants. */
function computingSizes(nodes: readonly Node[]): ReadonlySet<Node> {
  const [sizing, sizes, others] = [new Set<Node>(), new Set<Value>(), new Set<Value>()];
  for (const node of nodes.toReversed()) {
    const isSizing = node.outputs.every((output) => output && sizes.has(output) && !others.has(output));
    if (isSizing) sizing.add(node);
    for (const [i, value] of node.inputs.entries())
      if (value) (isSizing || SIZE_INPUTS[node.op]?.includes(i) ? sizes : others).add(value);
  }
  return sizing;
}

/** Operators without derivative. */
const COMPARING = /^(Equal|(Less|Greater)(OrEqual)?|Not|And|Or|Xor|Mod)$/;

const ARITHMETIC = /^(Add|Sub|Mul|Div)$/;

const NORMALIZING = /^(Batch|Instance|Layer|Group)Normalization$/;

/** Names that exporters give to what they have made themselves. */
const MADE_UP = /^(val_\d+|\d+|onnx::\w+|\/.*)$/;

/** True for an input that holds a weight: neither a setting of the operator nor a number that the code gives. */
function isLearnt({ op }: Node, input: number, { constant, literal }: Value, name: string): boolean {
  if (constant?.dtype !== 'float32' || constant.shape.length === 0) return false;
  if (FIXED_INPUTS[op]?.includes(input) || COMPARING.test(op)) return false;
  // A normalisation without weights of its own, such as that inside a GroupNorm, is written with ones and zeros.
  if (NORMALIZING.test(op) && MADE_UP.test(name) && isUniform(constant)) return false;
  if (op === 'PRelu') return true;
  const isSingle = sizeOf(constant.shape) === 1;
  if (isSingle && literal) return false;
  // Numbers that the code gives, or an exporter has computed: the scale of an attention, say.
  return !ARITHMETIC.test(op) || !(isSingle ? MADE_UP.test(name) : isTable(constant, name));
}

/** A table's least elements: so many numbers that were learnt do not fall or rise by chance. */
const TABLE = 8;
/** Weights are not searched that are larger than any table of this kind. */
const LARGEST_TABLE = 4096;

/** True for numbers that the code computes, such as the frequencies of a timestep's embedding: unnamed, and ever rising or falling. */
function isTable(constant: NonNullable<Value['constant']>, name: string): boolean {
  const count = constant.shape.at(-1) ?? 1;
  if (name.includes('.') || count < TABLE || count > LARGEST_TABLE || sizeOf(constant.shape) !== count) return false;
  const values = typedArray(constant.dtype, constant.bytes) as Float32Array;
  const direction = Math.sign((values[1] as number) - (values[0] as number));
  return values.every((value, i) => i === 0 || Math.sign(value - (values[i - 1] as number)) * direction > 0);
}

/** True when all elements are the same. */
function isUniform(constant: NonNullable<Value['constant']>): boolean {
  const { bytes } = constant;
  return byteLengthOf(constant) > 0 && bytes.every((byte, i) => byte === bytes[i % 4]);
}

/** Divides what reads a constant by who holds it. */
function holders(readers: readonly Reader[]): Reader[][] {
  const paths = outermost(readers);
  if (paths.length === 1 || readers.some(hasBody)) return [[...readers]];
  const kinds = new Set(
    readers.map(({ node, path }) => (path === madeUpPath(node) ? path : path.replaceAll(/\d+/g, '#'))),
  );
  const areCopies = kinds.size === 1;
  const { constant } = (readers[0] as Reader).value;
  if (!areCopies && !(constant && isUniform(constant))) return [[...readers]];
  return paths.map((path) => readers.filter((reader) => reader.path === path || isInside(reader.path, path)));
}

/** The modules that some inputs stand in, without their children: a child reads what its module holds. */
function outermost(readers: readonly Reader[]): string[] {
  const paths = new Set(readers.map(({ path }) => path));
  return Array.from(paths).filter((path) => !Array.from(paths).some((outer) => isInside(path, outer)));
}

const isInside = (path: string, outer: string): boolean => outer !== '' && path.startsWith(`${outer}.`);

/** True where branches or loops read a constant, which know it as it is in the file. */
export const hasBody = ({ node }: Reader): boolean =>
  Object.values(node.attributes).some(({ kind }) => kind === 'graph');

/** The path of a module in a file that names none: the name of its first node. */
const madeUpPath = ({ name }: Node): string => name.replace(/^\//, '');

/** What torch.nn calls the inputs of operators. */
const ROLES: Readonly<Record<string, readonly (string | undefined)[]>> = {
  Conv: [undefined, 'weight', 'bias'],
  ConvTranspose: [undefined, 'weight', 'bias'],
  Gemm: [undefined, 'weight', 'bias'],
  MatMul: [undefined, 'weight.T'],
  BatchNormalization: [undefined, 'weight', 'bias'],
  InstanceNormalization: [undefined, 'weight', 'bias'],
  LayerNormalization: [undefined, 'weight', 'bias'],
  GroupNormalization: [undefined, 'weight', 'bias'],
  PRelu: [undefined, 'weight'],
  Gather: ['weight'],
  Mul: ['weight', 'weight'],
  Add: ['bias', 'bias'],
};

/** The name of the weight that some inputs read, all of a constant's or only those in one module. */
function nameOf(readers: readonly Reader[], isWhole: boolean): string {
  const [first] = readers as readonly [Reader];
  const { name } = first.value;
  const isOwn = (given: string): boolean => isInside(given, first.path);
  const own = [name, ...readers.map(({ alias }) => alias)].find(isOwn);
  if (own !== undefined) return own;
  const isNamed = isWhole && /^[\w.-]+\.\w+$/.test(name);
  if (isNamed || first.path === '' || first.path === madeUpPath(first.node)) return first.alias;
  return `${first.path}.${roleOf(first) ?? first.alias}`;
}

/** A product with the transposed weight of a Linear reads `weight.T`: its rows are PyTorch's columns. */
function roleOf({ node, input }: Reader): string | undefined {
  const isTransposed = node.op === 'Gemm' && input === 1 && attributesOf(node).int('transB', 0) === 0;
  return isTransposed ? 'weight.T' : ROLES[node.op]?.[input];
}

/** What a convolution's weights hold besides where an exporter has merged the next module into them. */
export const BATCH_NORM = 'the BatchNorm behind it';

/** Names that tools give to weights they have computed anew, and what they then hold besides. */
const COMPUTED: readonly (readonly [RegExp, string])[] = [
  [/^onnx::Conv\w*_\d+$/, BATCH_NORM],
  [/_fused$|^_v_\d+$/, 'the scale behind it'],
];

/** What an exporter (torch.onnx) or optimiser (onnxslim, onnxsim) multiplied into the weights of a layer. */
export function mergedIntoWeights(nodes: readonly Node[]): string | undefined {
  const names = nodes.filter(({ op }) => /^Conv|^Gemm$/.test(op)).map(({ inputs }) => inputs[1]?.name ?? '');
  return COMPUTED.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}
