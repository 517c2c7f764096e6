/**
 * Shape arithmetic, computed here: the sizes of tensors, and what a model makes of them before it hands them to Reshape and its
 * like. A session for each of these would take longer than the whole rest of specialising. Anything this does not cover,
 * ONNX Runtime computes, in few sessions for all that is known.
 */
import {
  type AttributeReader,
  attributesOf,
  type ConstantData,
  constantOf,
  type DataType,
  type Node,
  numbersOf,
  type Shape,
  sizeOf,
  type TensorType,
} from '../graph/index.js';

/** Larger tensors are no shapes. */
const MOST_OF_SHAPES = 64;

const INTEGERS: ReadonlySet<DataType> = new Set(['int32', 'int64', 'bool']);
const FLOATS: ReadonlySet<DataType> = new Set(['float32', 'float64']);

interface Operand extends TensorType {
  readonly values: readonly number[];
}

interface Call {
  readonly attributes: AttributeReader;
  readonly operands: readonly Operand[];
  /** Of the result. */
  readonly type: TensorType;
}

/** The elements of a node's only output, in row-major order; `undefined` for a form that is left to ONNX Runtime. */
type Rule = (call: Call) => readonly number[] | undefined;

/** Same elements, in the type of the result. */
const moved: Rule = ({ operands }) => operands[0]?.values;

/** The element of a broadcast operand that stands at one of the result's places. */
function elementAt({ values, shape }: Operand, index: number, result: Shape): number {
  let [rest, at, stride] = [index, 0, 1];
  for (let axis = result.length - 1; axis >= 0; axis -= 1) {
    const size = result[axis] as number;
    const own = shape[axis - result.length + shape.length] ?? 1;
    if (own > 1) at += (rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return values[at] as number;
}

/** An elementwise function of broadcast operands. */
const elementwise =
  (compute: (values: readonly number[], dtype: DataType) => number): Rule =>
  ({ operands, type }) =>
    Array.from({ length: sizeOf(type.shape) }, (_, i) =>
      compute(
        operands.map((operand) => elementAt(operand, i, type.shape)),
        (operands[0] as Operand).dtype,
      ),
    );

const pairwise = (compute: (a: number, b: number, dtype: DataType) => number): Rule =>
  elementwise(([a, b], dtype) => compute(a as number, b as number, dtype));

const compared = (compute: (a: number, b: number) => boolean): Rule => pairwise((a, b) => Number(compute(a, b)));

/** Picks elements of a list. */
const picked = (list: readonly number[], places: readonly number[]): number[] =>
  places.map((place) => list[place < 0 ? place + list.length : place] ?? Number.NaN);

const isList = (operand: Operand | undefined): operand is Operand => operand?.shape.length === 1;

/** Elements of a tensor in the order of the result. @param place Where in the tensor each place of the result comes from. */
function rearranged(
  { values, shape }: Operand,
  result: Shape,
  place: (at: readonly number[]) => readonly number[],
): number[] {
  return Array.from({ length: sizeOf(result) }, (_, index) => {
    let rest = index;
    const at = result.toReversed().map((size) => {
      const here = rest % size;
      rest = Math.floor(rest / size);
      return here;
    });
    return (
      values[place(at.toReversed()).reduce((sum, here, axis) => sum * (shape[axis] as number) + here, 0)] ?? Number.NaN
    );
  });
}

/** Along one axis. */
const slice: Rule = ({ operands: [x, starts, ends, axes, steps], type }) => {
  if (x === undefined || starts?.values.length !== 1 || ends === undefined) return undefined;
  const [start, step, axis] = [starts.values[0], steps?.values[0] ?? 1, axes?.values[0] ?? 0] as [
    number,
    number,
    number,
  ];
  const along = axis < 0 ? axis + x.shape.length : axis;
  const size = x.shape[along] as number;
  const from = start < 0 ? start + size : start;
  const first = step > 0 ? Math.max(from, 0) : Math.max(0, Math.min(from, size - 1));
  return rearranged(x, type.shape, (at) => at.map((here, i) => (i === along ? first + here * step : here)));
};

const transpose: Rule = ({ attributes, operands: [x], type }) => {
  const permutation = attributes.ints('perm') ?? type.shape.map((_, i) => type.shape.length - 1 - i);
  return x && rearranged(x, type.shape, (at) => at.map((_, axis) => at[permutation.indexOf(axis)] as number));
};

const product: Rule = ({ operands: [x], type }) =>
  sizeOf(type.shape) === 1 ? [(x as Operand).values.reduce((total, value) => total * value, 1)] : undefined;

/** By operator; their types are those of the operators' entries. What a rule does not take, such as a list's axis, is 0. */
const RULES: Readonly<Record<string, Rule>> = {
  Identity: moved,
  Reshape: moved,
  Squeeze: moved,
  Unsqueeze: moved,
  Flatten: moved,
  Cast: ({ operands, type }) =>
    operands[0]?.values.map((value) => {
      if (type.dtype === 'bool') return Number(value !== 0);
      return INTEGERS.has(type.dtype) ? Math.trunc(value) : value;
    }),
  Gather: ({ operands: [list, places] }) => (isList(list) ? picked(list.values, places?.values ?? []) : undefined),
  Concat: ({ operands }) => (operands.every(isList) ? operands.flatMap(({ values }) => values) : undefined),
  Slice: slice,
  Transpose: transpose,
  Add: pairwise((a, b) => a + b),
  Sub: pairwise((a, b) => a - b),
  Mul: pairwise((a, b) => a * b),
  Div: pairwise((a, b, dtype) => (INTEGERS.has(dtype) ? Math.trunc(a / b) : a / b)),
  Neg: elementwise(([a]) => -(a as number)),
  Floor: elementwise(([a]) => Math.floor(a as number)),
  Ceil: elementwise(([a]) => Math.ceil(a as number)),
  Sqrt: elementwise(([a]) => Math.sqrt(a as number)),
  Min: elementwise((values) => Math.min(...values)),
  Max: elementwise((values) => Math.max(...values)),
  Equal: compared((a, b) => a === b),
  Greater: compared((a, b) => a > b),
  GreaterOrEqual: compared((a, b) => a >= b),
  Less: compared((a, b) => a < b),
  LessOrEqual: compared((a, b) => a <= b),
  And: compared((a, b) => a !== 0 && b !== 0),
  Or: compared((a, b) => a !== 0 || b !== 0),
  Not: elementwise(([a]) => Number(a === 0)),
  Where: elementwise(([condition, a, b]) => (condition ? (a as number) : (b as number))),
  Expand: ({ operands: [x], type }) =>
    Array.from({ length: sizeOf(type.shape) }, (_, i) => elementAt(x as Operand, i, type.shape)),
  ConstantOfShape: ({ attributes, type }) => {
    const filler = attributes.tensor('value');
    return new Array<number>(sizeOf(type.shape)).fill(filler ? (numbersOf(filler)[0] as number) : 0);
  },
  Range: ({ operands: [start, , step], type }) =>
    INTEGERS.has(type.dtype)
      ? Array.from({ length: sizeOf(type.shape) }, (_, i) => (start?.values[0] ?? 0) + i * (step?.values[0] ?? 1))
      : undefined,
  ReduceProd: product,
};

/** The operators that are computed here, beside Shape and Size. */
export const SMALL_OPERATORS: readonly string[] = Object.keys(RULES);

/** What Shape and Size give for an input of a known type. */
export function sizesOf(node: Node, x: Shape): ConstantData {
  if (node.op === 'Size') return constantOf('int64', [], [sizeOf(x)]);
  const attributes = attributesOf(node);
  const part = x.slice(attributes.int('start', 0), attributes.int('end', x.length));
  return constantOf('int64', [part.length], part);
}

/** Whether a node's value could be computed here: it is of a known operator, and constants of at most so many elements are all it reads. */
export const isSmall = ({ op, domain, inputs, outputs }: Node, most = MOST_OF_SHAPES): boolean =>
  domain === '' &&
  op in RULES &&
  outputs.length === 1 &&
  inputs.every((input) => input === undefined || (input.constant !== undefined && isSmallType(input.constant, most)));

const isSmallType = ({ dtype, shape }: TensorType, most: number): boolean =>
  (INTEGERS.has(dtype) || FLOATS.has(dtype)) && sizeOf(shape) <= most;

/**
 * The value of a node that `isSmall`, bit by bit as ONNX Runtime computes it: + − · / √ are rounded once, to the type's
 * precision. `undefined` where that is left to it.
 * @param type Of its output.
 * @param most elements it may have
 */
export function smallValue(node: Node, type: TensorType, most = MOST_OF_SHAPES): ConstantData | undefined {
  if (!isSmallType(type, most)) return undefined;
  const given = node.inputs.slice(0, node.inputs.findLastIndex((input) => input !== undefined) + 1);
  const operands = given.flatMap((input) => {
    const constant = input?.constant;
    return constant ? [{ dtype: constant.dtype, shape: constant.shape, values: numbersOf(constant) }] : [];
  });
  // A left-out input would move those behind it.
  if (operands.length !== given.length) return undefined;
  const values = RULES[node.op]?.({ attributes: attributesOf(node), operands, type });
  // The bounds of a slice may be as large as integers are: all elements to the end.
  const read = node.op === 'Slice' ? operands.slice(0, 1) : operands;
  const all = [...read.flatMap((operand) => operand.values), ...(values ?? [])];
  if (values === undefined || !all.every((value) => isExact(value))) return undefined;
  const rounded = type.dtype === 'float32' ? values.map(Math.fround) : values;
  return rounded.every(Number.isFinite) && fits(rounded, type.dtype)
    ? constantOf(type.dtype, type.shape, rounded)
    : undefined;
}

/** Larger integers are not told apart by JavaScript's numbers; NaN and infinities are left to ONNX Runtime. */
const isExact = (value: number): boolean => Math.abs(value) <= Number.MAX_SAFE_INTEGER;

const fits = (values: readonly number[], dtype: DataType): boolean =>
  dtype !== 'int32' || values.every((value) => value === (value | 0));
