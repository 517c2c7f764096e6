/**
 * Rewrites a finished graph into a cheaper one with the same meaning: equal computations are shared, no-ops dropped, rearrangements
 * joined, what is cut out and put together copied once, masks made factors, broadcasts left to the consumer, sums over outer axes turned into
 * matrix products, and long sums taken axis by axis. One walk does it all, in time that grows with the number of nodes.
 * A graph is finished when it has been differentiated: nothing is detached in it any more.
 */
import {
  type Attribute,
  broadcastShapes,
  type Graph,
  int,
  isDetach,
  isDifferentiable,
  type Node,
  normalizeAxis,
  type Shape,
  sameShape,
  sizeOf,
  Tensor,
  type Value,
} from '../graph/index.js';
import { operatorOf } from '../ops/index.js';
import { masksAsFactors } from './masks.js';
import { PIECES } from './pieces.js';
import { joinCasts, joinGemms, joinProducts, joinReshapes, joinTransposes } from './rearrange.js';
import { copyNode, firstOf, type Rewrite, reduceGraph } from './transcribe.js';

/** The simplified graph; inputs and outputs keep their names. */
export const simplify = (graph: Graph): Graph =>
  reduceGraph(
    graph,
    firstOf([
      masksAsFactors(),
      ...NO_OPS,
      ...EXPANDED,
      rootOfSum,
      joinReshapes,
      joinTransposes,
      joinProducts,
      joinGemms,
      joinCasts,
      ...PIECES,
      ...SUMS,
      sumUnshaped,
      shapeOfSum,
      sharing(),
    ]),
  );

/** As `simplify`, but that what stays is as its module wrote it: a graph that others read, and run on other shapes. */
export const tidy = (graph: Graph): Graph => reduceGraph(graph, firstOf([...NO_OPS, ...SUMS, sharing()]));

/** Constants of so many elements are told apart by their elements. */
const FEW = 8;

/** Common subexpressions: the same operator on the same inputs is computed once. */
function sharing(): Rewrite {
  const ids = new Map<Value | string, number>();
  const seen = new Map<string, Tensor[]>();
  const idOf = (value: Value): number => {
    const { constant } = value;
    const isSmall = constant && !constant.place && sizeOf(constant.shape) <= FEW;
    const known = isSmall ? `${constant.dtype}[${constant.shape}]${constant.bytes}` : value;
    const id = ids.get(known) ?? ids.size;
    ids.set(known, id);
    return id;
  };
  return (node, inputs, target) => {
    if (operatorOf(node)?.random) return undefined;
    const attributes = attributesKey(node);
    if (attributes === undefined) return undefined;
    const key = `${node.domain}.${node.op}(${inputs.map((input) => input && idOf(input.value))})${attributes}`;
    const known = seen.get(key);
    if (known && known.length >= node.outputs.length) return known;
    seen.set(
      key,
      node.outputs.map((output) => new Tensor(target, output as Value)),
    );
    return undefined;
  };
}

/** The attributes of a node in an order of their own, as text; `undefined` where they hold more than numbers and words. */
function attributesKey({ attributes }: Node): string | undefined {
  const names = Object.keys(attributes).sort();
  const isPlain = (name: string): boolean => !['tensor', 'graph'].includes((attributes[name] as Attribute).kind);
  if (!names.every(isPlain)) return undefined;
  return names
    .map((name) => {
      const { kind, value } = attributes[name] as Attribute;
      // JSON has no infinite numbers, and no −0.
      return `${name}:${kind}:${kind.startsWith('string') ? JSON.stringify(value) : String(value)}`;
    })
    .join();
}

const RESHAPING = new Set(['Reshape', 'Expand', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** Identity, and Detach, since the graph is differentiated; and changes of shape or type to what is there already. */
const dropIdentity: Rewrite = (node, [x]) => {
  const { op, outputs } = node;
  if (x === undefined) return undefined;
  const keepsShape = RESHAPING.has(op) && sameShape(x.shape, outputs[0]?.shape ?? []);
  const keepsType = (op === 'Cast' || op === 'CastLike') && x.dtype === outputs[0]?.dtype;
  return op === 'Identity' || isDetach(node) || keepsShape || keepsType ? [x] : undefined;
};

const NEUTRAL: Readonly<Record<string, number>> = { Mul: 1, Div: 1, Add: 0, Sub: 0 };

/** x·1, x/1, x+0, x−0 → x, where the constant does not broadcast x. */
const dropNeutral: Rewrite = (node, inputs) => {
  const neutral = NEUTRAL[node.op];
  const [a, b] = inputs;
  if (neutral === undefined || !a || !b) return undefined;
  const isNeutral = (tensor: Tensor): boolean => tensor.size === 1 && tensor.constantValues()?.[0] === neutral;
  const shape = node.outputs[0]?.shape ?? [];
  if (isNeutral(b) && sameShape(a.shape, shape)) return [a];
  if (isNeutral(a) && sameShape(b.shape, shape) && (node.op === 'Mul' || node.op === 'Add')) return [b];
  return undefined;
};

const BROADCASTING = new Set(['Add', 'Sub', 'Mul', 'Div', 'Where', 'Max', 'Min']);

/** An Expand in front of an elementwise node is skipped when another input already has the output's shape. */
const skipExpand: Rewrite = (node, inputs, target) => {
  const shape = node.outputs[0]?.shape;
  if (!BROADCASTING.has(node.op) || shape === undefined || !inputs.some(isExpand)) return undefined;
  if (!inputs.some((input) => input && !isExpand(input) && sameShape(input.shape, shape))) return undefined;
  const skipped = inputs.map((input) => {
    return isExpand(input) ? sourceOf(input as Tensor, target) : input;
  });
  return copyNode(node, skipped, target);
};

const isExpand = (input: Tensor | undefined): boolean => input?.value.producer?.op === 'Expand';

/** Elementwise operators of one input. */
const UNARY = new Set(['Neg', 'Abs', 'Sign', 'Sqrt', 'Reciprocal', 'Exp', 'Log']);

/** f(Expand x, c) → Expand f(x, c): what is the same along an axis is computed once. */
const sinkExpand: Rewrite = (node, inputs, target) => {
  const shape = node.outputs[0]?.shape;
  if (!(BROADCASTING.has(node.op) || UNARY.has(node.op)) || shape === undefined || !inputs.some(isExpand))
    return undefined;
  const sources = inputs.map((input) => (isExpand(input) ? sourceOf(input as Tensor, target) : input));
  const small = broadcastShapes(...sources.map((source) => source?.shape ?? []));
  if (sizeOf(small) === sizeOf(shape)) return undefined;
  return [(target.emit(node.op, sources, node.attributes)[0] as Tensor).expand(shape)];
};

/** Reshape of an Expand → Expand of a Reshape, where axes that are expanded are reshaped apart from the others. */
const sinkExpandBehindReshape: Rewrite = (node, [x], target) => {
  const shape = node.outputs[0]?.shape;
  if (node.op !== 'Reshape' || shape === undefined || x === undefined || !isExpand(x)) return undefined;
  const source = sourceOf(x, target);
  const before = [...x.shape.slice(source.rank).map(() => 1), ...source.shape];
  const small = reshapedSource(before, x.shape, shape);
  return small && [source.reshape(small).expand(shape)];
};

/** The shape to which `source` is reshaped, so that it can be expanded to `shape` rather than to `expanded`, of as many elements. */
function reshapedSource(source: Shape, expanded: Shape, shape: Shape): Shape | undefined {
  const result: number[] = [];
  for (let [at, to] = [0, 0]; at < expanded.length || to < shape.length; ) {
    const [begin, start] = [at, to];
    let [size, wanted] = [expanded[at++] ?? 1, shape[to++] ?? 1];
    while (size !== wanted) {
      if (size < wanted) size *= expanded[at++] ?? Number.NaN;
      else wanted *= shape[to++] ?? Number.NaN;
      if (Number.isNaN(size) || Number.isNaN(wanted)) return undefined;
    }
    const [own, block] = [source.slice(begin, at), shape.slice(start, to)];
    if (sizeOf(own) === size) result.push(...block);
    else if (sizeOf(own) === 1) result.push(...block.map(() => 1));
    else return undefined;
  }
  return result;
}

const sourceOf = ({ value }: Tensor, graph: Graph): Tensor => new Tensor(graph, value.producer?.inputs[0] as Value);

/** a + (b − a) → b: what is left of b with the gradient of a. */
const dropRoundTrip: Rewrite = (node, [x, y], target) => {
  if (node.op !== 'Add' || !x || !y || !isDifferentiable(x.dtype)) return undefined;
  const ends = [
    [x, y],
    [y, x],
  ] as const;
  for (const [a, difference] of ends) {
    const { producer } = difference.value;
    const [b, subtracted] = producer?.inputs ?? [];
    if (producer?.op !== 'Sub' || subtracted !== a.value || !b) continue;
    if (sameShape(b.shape ?? [], node.outputs[0]?.shape ?? [])) return [new Tensor(target, b)];
  }
  return undefined;
};

/** Sums and means of integers stay as they are: the mean of means is rounded more than once. */
const isFloatSum = ({ op }: Node, x: Tensor | undefined): x is Tensor =>
  (op === 'ReduceSum' || op === 'ReduceMean') && x !== undefined && isDifferentiable(x.dtype);

/**
 * Σ over a contiguous block of axes that does not end at the last one, as ones·x: ONNX Runtime's ReduceSum walks such
 * axes with a stride and takes several times as long as a matrix product.
 */
const sumAsProduct: Rewrite = (node, [x, axes], target) => {
  if (!isFloatSum(node, x)) return undefined;
  const block = strided(x, axes);
  if (block === undefined) return undefined;
  const { outer, count, inner } = block;
  const weight = target.scalar(node.op === 'ReduceMean' ? 1 / count : 1, x.dtype).expand([1, count]);
  const summed = weight.matmul(x.reshape([outer, count, inner]));
  return [summed.reshape(node.outputs[0]?.shape ?? [])];
};

/** The sizes in front of, in and behind a contiguous block of axes that does not end at the last one. */
function strided(x: Tensor, axesInput: Tensor | undefined): Record<'outer' | 'count' | 'inner', number> | undefined {
  const axes = axesInput
    ?.constantValues()
    ?.map((axis) => normalizeAxis(axis, x.rank))
    .sort((a, b) => a - b);
  const [first, last] = [axes?.[0], axes?.at(-1)];
  if (!axes || first === undefined || last === undefined) return undefined;
  if (last - first !== axes.length - 1) return undefined;
  const count = sizeOf(axes.map((axis) => x.dim(axis)));
  const [outer, inner] = [sizeOf(x.shape.slice(0, first)), sizeOf(x.shape.slice(last + 1))];
  return count === 1 || inner === 1 ? undefined : { outer, count, inner };
}

/** √Σx² over such a block, by the sum that becomes a product. */
const rootOfSum: Rewrite = (node, [x, axes], target) => {
  if (node.op !== 'ReduceL2' || !x || !axes || !isDifferentiable(x.dtype) || !strided(x, axes)) return undefined;
  const [sum] = target.emit('ReduceSum', [x.square(), axes], node.attributes);
  return [(sum as Tensor).sqrt()];
};

/**
 * Σ over a whole tensor, axis by axis: ONNX Runtime adds one element after another, and in float32 the sum of two million
 * equal numbers is off by 2·10⁻³ that way. However few they are, so that images of all sizes have the same graph; short rows are left as they are.
 */
const sumByAxes: Rewrite = (node, [x], target) => {
  const [output] = node.outputs;
  if (!isFloatSum(node, x) || !output?.shape) return undefined;
  const [first, ...later] = x.shape.flatMap((size, axis) => (size > 1 ? [axis] : []));
  if (sizeOf(output.shape) !== 1 || first === undefined || later.length === 0 || isRow(rowOf(x, target)))
    return undefined;
  const over = (sum: Tensor, axes?: Tensor): Tensor =>
    target.emit(node.op, [sum, axes], { keepdims: int(0) })[0] as Tensor;
  const row = later.reduceRight((sum, axis) => over(sum, target.ints([axis])), x);
  return [over(row).reshape(output.shape)];
};

/** Of so many elements a row is summed at once. */
const SHORT_ROW = 2 ** 13;

const isRow = ({ shape, size }: Tensor): boolean =>
  size < SHORT_ROW && shape.filter((length) => length > 1).length === 1;

/** A tensor before it was reshaped. */
const rowOf = (x: Tensor, target: Graph): Tensor => (x.value.producer?.op === 'Reshape' ? sourceOf(x, target) : x);

/** What a sum over all of a tensor reads, where that is such a row. */
function summedRow(node: Node | undefined, target: Graph): Tensor | undefined {
  const x = node?.inputs[0] && new Tensor(target, node.inputs[0]);
  if (node?.domain !== '' || !isFloatSum(node, x) || sizeOf(node.outputs[0]?.shape ?? []) !== 1) return undefined;
  const row = rowOf(x, target);
  return isRow(row) ? row : undefined;
}

/** Σ over all of a row that is reshaped → Σ over it as it was. */
const sumUnshaped: Rewrite = (node, [x], target) => {
  const row = x?.value.producer?.op === 'Reshape' ? summedRow(node, target) : undefined;
  if (!row) return undefined;
  const [sum] = target.emit(node.op, [row], { keepdims: int(0) });
  return [(sum as Tensor).reshape(node.outputs[0]?.shape ?? [])];
};

/** Reshape of such a sum to dimensions of 1 → a sum that keeps as many of those that are there. */
const shapeOfSum: Rewrite = (node, [sum], target) => {
  const rank = node.outputs[0]?.shape?.length ?? 0;
  const { producer } = sum?.value ?? {};
  const x = node.op === 'Reshape' ? summedRow(producer, target) : undefined;
  if (!producer || !x || sum?.rank !== 0) return undefined;
  if (rank === x.rank) return target.emit(producer.op, [x], { keepdims: int(1) });
  const kept = x.shape.flatMap((dim, axis) => (dim === 1 ? [axis] : [])).slice(0, rank);
  if (kept.length < rank) return undefined;
  const axes = x.shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis));
  return target.emit(producer.op, [x, target.ints(axes)], { keepdims: int(0) });
};

const NO_OPS = [dropIdentity, dropNeutral, dropRoundTrip, skipExpand];
const EXPANDED = [sinkExpand, sinkExpandBehindReshape];
const SUMS = [sumAsProduct, sumByAxes];
