/**
 * What is cut out of tensors and put together: elements are copied once, from where they are to where they are wanted. ONNX Runtime copies
 * with one thread, so that what looks cheap beside a product takes as long.
 */
import { type Attribute, concat, type Node, normalizeAxis, type Shape, sizeOf, Tensor } from '../graph/index.js';
import { sliceBounds } from '../ops/index.js';
import { permutationOf } from './rearrange.js';
import type { Rewrite } from './transcribe.js';

/** The operator, where it is ONNX's own. */
const opOf = ({ op, domain }: Node): string | undefined => (domain === '' ? op : undefined);

/** The inputs of the node that computes a tensor, where that is of an operator. */
function inputsOf(x: Tensor | undefined, op: string): Tensor[] | undefined {
  const node = x?.value.producer;
  return x && node && opOf(node) === op
    ? node.inputs.flatMap((input) => (input ? new Tensor(x.graph, input) : []))
    : undefined;
}

const intOf = (attribute: Attribute | undefined): number => (attribute?.kind === 'int' ? attribute.value : 0);

const axisOf = ({ producer }: Tensor['value'], rank: number): number =>
  normalizeAxis(intOf(producer?.attributes.axis), rank);

/** Elements from … to (exclusive) along an axis. */
interface Cut {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
}

/** What a Slice cuts, where it takes neighbours in their order and leaves something out. */
function cutsOf(node: Node, [x, ...bounds]: readonly (Tensor | undefined)[]): Cut[] | undefined {
  if (opOf(node) !== 'Slice' || !x || bounds.some((bound) => bound && !bound.value.constant)) return undefined;
  const context = { node, outputCount: 1, attributes: undefined as never };
  const all = sliceBounds(context, x, bounds);
  if (all.some(({ step, count }) => step !== 1 || count === 0)) return undefined;
  return all
    .filter(({ axis, count }) => count < x.dim(axis))
    .map(({ axis, first, count }) => ({ axis, from: first, to: first + count }));
}

const cut = (x: Tensor, cuts: readonly Cut[]): Tensor =>
  x.slice(
    cuts.map(({ axis }) => axis),
    cuts.map(({ from }) => from),
    cuts.map(({ to }) => to),
  );

const shapeAfter = (shape: Shape, cuts: readonly Cut[]): number[] =>
  shape.map((dim, i) => {
    const own = cuts.find(({ axis }) => axis === i);
    return own ? own.to - own.from : dim;
  });

/** The axes of more than one element. */
const longAxes = (shape: Shape): number[] => shape.flatMap((dim, axis) => (dim === 1 ? [] : [axis]));

/** A part of a part, of a tensor with more axes of 1, of a concatenation or of what is turned → a part of what is behind that. */
const cutEarlier: Rewrite = (node, inputs) => {
  const [x] = inputs;
  const cuts = cutsOf(node, inputs);
  if (!x || !cuts) return undefined;
  // What a convolution with a stride gives back is cut off at the size of the image: where that is nothing, images of other sizes share the graph.
  if (cuts.length === 0) return x.value.producer?.op === 'ConvTranspose' ? undefined : [x];
  const earlier = ofPart(x, cuts) ?? ofReshaped(x, cuts) ?? ofJoined(x, cuts) ?? ofTurned(x, cuts);
  return earlier && [earlier];
};

function ofPart(x: Tensor, cuts: readonly Cut[]): Tensor | undefined {
  const inputs = inputsOf(x, 'Slice');
  const before = inputs && cutsOf(x.value.producer as Node, inputs);
  const [source] = inputs ?? [];
  if (!before || !source) return undefined;
  const later = new Map(cuts.map((each) => [each.axis, each]));
  const both = before.map(({ axis, from, to }) => {
    const own = later.get(axis);
    later.delete(axis);
    return { axis, from: from + (own?.from ?? 0), to: own ? from + own.to : to };
  });
  return cut(source, [...both, ...later.values()]);
}

/** Only of what has axes of 1 elsewhere. */
function ofReshaped(x: Tensor, cuts: readonly Cut[]): Tensor | undefined {
  const [source] = inputsOf(x, 'Reshape') ?? [];
  if (!source) return undefined;
  const [here, there] = [longAxes(x.shape), longAxes(source.shape)];
  if (here.length !== there.length || here.some((axis, i) => x.dim(axis) !== source.dim(there[i] as number)))
    return undefined;
  const moved = cuts.map((each) => ({ ...each, axis: there[here.indexOf(each.axis)] as number }));
  return cut(source, moved).reshape(shapeAfter(x.shape, cuts));
}

/** Where all of it lies in one of the parts. */
function ofJoined(x: Tensor, cuts: readonly Cut[]): Tensor | undefined {
  const parts = inputsOf(x, 'Concat');
  const joint = axisOf(x.value, x.rank);
  const own = cuts.find(({ axis }) => axis === joint);
  if (!parts || !own) return undefined;
  let start = 0;
  for (const part of parts) {
    const end = start + part.dim(joint);
    if (start <= own.from && own.to <= end) {
      const inside = cuts.map((each) =>
        each === own ? { axis: joint, from: own.from - start, to: own.to - start } : each,
      );
      return cut(part, inside);
    }
    start = end;
  }
  return undefined;
}

/** Where what is cut out need not be turned any more, or is one matrix, which a product reads as it lies. */
function ofTurned(x: Tensor, cuts: readonly Cut[]): Tensor | undefined {
  const [source] = inputsOf(x, 'Transpose') ?? [];
  if (!source) return undefined;
  const permutation = permutationOf(x.value.producer as Node, x.rank);
  const shape = shapeAfter(x.shape, cuts);
  const long = longAxes(shape).map((axis) => permutation[axis] as number);
  const moved = (): Tensor =>
    cut(
      source,
      cuts.map((each) => ({ ...each, axis: permutation[each.axis] as number })),
    );
  if (long.every((axis, i) => i === 0 || axis > (long[i - 1] as number))) return moved().reshape(shape);
  const isMatrix = long.length === 2 && longAxes(shape)[0] === x.rank - 2;
  return isMatrix
    ? moved()
        .reshape([...shape.slice(0, -2), ...shape.slice(-2).reverse()])
        .swapAxes(-1, -2)
    : undefined;
}

/** A concatenation that is turned → one of parts that need not be: they have axes of 1, or are such concatenations themselves. */
const turnParts: Rewrite = (node, [x]) => {
  if (opOf(node) !== 'Transpose' || !x) return undefined;
  const found = turnedParts(x, permutationOf(node, x.rank));
  return found && [found];
};

function turnedParts(x: Tensor, permutation: readonly number[]): Tensor | undefined {
  const parts = inputsOf(x, 'Concat');
  if (!parts) return undefined;
  const turned = parts.map((part) => turnedFreely(part, permutation));
  const joint = permutation.indexOf(axisOf(x.value, x.rank));
  return turned.every((part) => part !== undefined) ? concat(turned, joint) : undefined;
}

/** Without a copy but that of a concatenation. */
function turnedFreely(x: Tensor, permutation: readonly number[]): Tensor | undefined {
  const long = permutation.filter((axis) => x.dim(axis) !== 1);
  if (long.every((axis, i) => i === 0 || axis > (long[i - 1] as number)))
    return x.reshape(permutation.map((axis) => x.dim(axis)));
  const [source] = inputsOf(x, 'Reshape') ?? [];
  return turnedParts((source && withAxes(source, x.shape)) ?? x, permutation);
}

/** A concatenation with axes of 1 elsewhere, as one of parts that have them. */
function withAxes(x: Tensor, shape: Shape): Tensor | undefined {
  const parts = inputsOf(x, 'Concat');
  const joint = axisOf(x.value, x.rank);
  const [here, there] = [longAxes(x.shape), longAxes(shape)];
  const isSame = here.length === there.length && here.every((axis, i) => x.dim(axis) === shape[there[i] as number]);
  const axis = there[here.indexOf(joint)];
  if (!parts || !isSame || axis === undefined) return undefined;
  return concat(
    parts.map((part) => part.reshape(shape.with(axis, part.dim(joint)))),
    axis,
  );
}

/** Concatenations of concatenations → one. Those along a later axis are, too, with nothing but axes of 1 between, where each part is 1 long. */
const joinConcats: Rewrite = (node, inputs) => {
  const [first] = inputs;
  const output = node.outputs[0]?.shape;
  if (opOf(node) !== 'Concat' || !first || !output) return undefined;
  const axis = normalizeAxis(intOf(node.attributes.axis), first.rank);
  const inner = inputs.map((x) => inputsOf(x, 'Concat'));
  const innerAxis = (i: number): number => axisOf((inputs[i] as Tensor).value, first.rank);
  if (inner.some((parts, i) => parts && innerAxis(i) === axis)) {
    const parts = inner.flatMap((own, i) => (own && innerAxis(i) === axis ? own : (inputs[i] as Tensor)));
    return [concat(parts, axis)];
  }
  const later = innerAxis(0);
  const isOne = first.shape.slice(axis, later).every((dim) => dim === 1);
  if (
    later < axis ||
    !isOne ||
    !inner.every((parts, i) => parts && innerAxis(i) === later && inputs[i]?.dim(axis) === 1)
  )
    return undefined;
  return [
    concat(
      inner.flatMap((parts) => parts ?? []),
      later,
    ).reshape(output),
  ];
};

/** A tensor between zeros along one axis. */
interface Padded {
  readonly x: Tensor;
  readonly axis: number;
  readonly before: number;
}

/** Sums of more terms are left as they are. */
const TERMS = 16;

/** Parts with zeros around them, added up, that lie one behind the other: the gradient of what was cut into them → their concatenation. */
const joinPadded: Rewrite = (node, inputs) => {
  const shape = node.outputs[0]?.shape;
  if (opOf(node) !== 'Add' || !shape) return undefined;
  const terms = inputs.flatMap((x) => termsOf(x) ?? [undefined]);
  const [first] = terms;
  if (!first || terms.length > TERMS || terms.some((term) => term?.axis !== first.axis)) return undefined;
  const { axis } = first;
  const ordered = (terms as Padded[]).toSorted((a, b) => a.before - b.before);
  const total = shape[axis] as number;
  let end = 0;
  for (const { x, before } of ordered) {
    if (before !== end) return undefined;
    end += x.dim(axis);
  }
  if (end !== total) return undefined;
  return [
    concat(
      ordered.map(({ x }) => x),
      axis,
    ),
  ];
};

/** The terms of a sum of padded tensors. */
function termsOf(x: Tensor | undefined, depth = 0): Padded[] | undefined {
  const summands = depth < TERMS ? inputsOf(x, 'Add') : undefined;
  if (!x || !summands) return paddedOf(x);
  const terms = summands.map((each) => termsOf(each, depth + 1));
  return terms.every((each) => each !== undefined) && summands.every((each) => sizeOf(each.shape) === x.size)
    ? terms.flat()
    : undefined;
}

function paddedOf(x: Tensor | undefined): Padded[] | undefined {
  const [source, counts, value, axes] = inputsOf(x, 'Pad') ?? [];
  const mode = x?.value.producer?.attributes.mode;
  if (!x || !source || axes || (mode && !(mode.kind === 'string' && mode.value === 'constant'))) return undefined;
  const [pads, fill] = [counts?.constantValues(), value ? value.constantValues() : [0]];
  if (!pads || fill?.[0] !== 0 || pads.some((count) => count < 0)) return undefined;
  const padded = x.shape.flatMap((dim, axis) => (dim === source.dim(axis) ? [] : [axis]));
  const [axis] = padded;
  return axis !== undefined && padded.length === 1 ? [{ x: source, axis, before: pads[axis] as number }] : undefined;
}

/** Rules for one walk. */
export const PIECES: readonly Rewrite[] = [cutEarlier, turnParts, joinConcats, joinPadded];
