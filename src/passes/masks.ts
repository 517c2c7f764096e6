/**
 * Masks as factors. ONNX Runtime's Where copies three times, with one thread; a product with 0 and 1 takes a third of its time. But a product keeps what is
 * no number, where Where drops it, as the gradient of √ at 0. So it stands only for what is known to be finite, short of an overflow.
 */
import { type Node, numbersOf, type Shape, sameShape, sizeOf, type Tensor, type Value } from '../graph/index.js';
import type { Rewrite } from './transcribe.js';

/** What is known of all elements of a value. */
interface Known {
  readonly finite: boolean;
  /** At least 0. */
  readonly positive: boolean;
  /** Above some number that is above 0, or at least not 0. */
  readonly away: boolean;
}

const NOTHING: Known = { finite: false, positive: false, away: false };

/** Smaller masks are left: none of activations, so that images of all sizes have the same graph. */
const LARGE = 2 ** 6;

/** Constants of more elements are weights, which were looked at when their model was read. */
const FEW = 2 ** 10;

/** Elements that are moved, or left out. */
const MOVING = new Set([
  ...['Identity', 'Reshape', 'Expand', 'Transpose', 'Slice', 'Concat', 'Squeeze', 'Unsqueeze', 'Flatten', 'Split'],
  ...['Gather', 'GatherElements', 'Tile', 'DepthToSpace', 'SpaceToDepth', 'Cast', 'MaxPool', 'ReduceMax', 'ReduceMin'],
]);

/** Sums and products: none below 0 where nothing is that goes in. */
const ADDING = new Set([
  ...['Add', 'Mul', 'MatMul', 'Sum', 'ReduceSum', 'ReduceMean', 'AveragePool', 'GlobalAveragePool', 'Pad', 'MaxUnpool'],
]);

/** Finite where what goes in is, but for an overflow. */
const FINITE = new Set([
  ...MOVING,
  ...ADDING,
  ...['Sub', 'Neg', 'Sign', 'Max', 'Min', 'Clip', 'Floor', 'Round', 'Where', 'Gemm', 'Conv', 'ConvTranspose', 'Resize'],
  ...['Relu', 'LeakyRelu', 'Elu', 'HardSigmoid', 'HardSwish', 'Sigmoid', 'Tanh', 'Erf', 'Gelu', 'Softplus', 'Softmax'],
  ...['Abs', 'Exp', 'ReduceL2', 'ReduceSumSquare', 'BatchNormalization', 'LayerNormalization', 'InstanceNormalization'],
]);

/** Never below 0. */
const POSITIVE = new Set([
  'Relu',
  'Abs',
  'Exp',
  'Sigmoid',
  'Softmax',
  'Sqrt',
  'ReduceL2',
  'ReduceSumSquare',
  'Softplus',
]);

/** A rule for one walk, which sees every node. */
export function masksAsFactors(): Rewrite {
  const known = new Map<Value, Known>();
  const of = (x: Tensor | undefined): Known => (x ? (known.get(x.value) ?? ofSource(x.value)) : NOTHING);
  return (node, inputs) => {
    const about = knownOf(node, inputs, of);
    for (const output of node.outputs)
      if (output) known.set(output, isFloat(output) ? about : { ...NOTHING, finite: true });
    const [mask, x, other] = inputs;
    const shape: Shape = node.outputs[0]?.shape ?? [];
    if (node.op !== 'Where' || !mask || !x || !other || sizeOf(shape) < LARGE || !of(x).finite) return undefined;
    if (!sameShape(mask.shape, shape) || !sameShape(x.shape, shape) || !isFloat(x.value)) return undefined;
    return other.size === 1 && other.constantValues()?.[0] === 0 ? [x.mul(mask.cast(x.dtype))] : undefined;
  };
}

const isFloat = ({ dtype }: Value): boolean => dtype === 'float32' || dtype === 'float64';

/** Of inputs, which are checked, and of constants. */
function ofSource({ constant, producer }: Value): Known {
  if (producer) return NOTHING;
  if (!constant || sizeOf(constant.shape) > FEW) return { ...NOTHING, finite: true };
  const values = numbersOf(constant);
  return {
    finite: values.every(Number.isFinite),
    positive: values.every((value) => value >= 0),
    away: values.every((value) => value > 0),
  };
}

function knownOf(node: Node, inputs: readonly (Tensor | undefined)[], of: (x: Tensor | undefined) => Known): Known {
  if (node.domain !== '') return NOTHING;
  const { op } = node;
  const [a, b] = inputs.map(of) as [Known, Known?];
  const given = inputs.filter((x) => x !== undefined && isFloat(x.value)).map(of);
  const all = (fact: keyof Known): boolean => given.every((each) => each[fact]);
  const isSquare = op === 'Mul' && inputs[0]?.value === inputs[1]?.value;
  const positive = POSITIVE.has(op) || isSquare || ((ADDING.has(op) || MOVING.has(op)) && all('positive'));
  switch (op) {
    case 'Div':
      return { finite: a.finite && b?.away === true, positive: false, away: false };
    case 'Pow':
      return { finite: a.finite && isCount(inputs[1]), positive: a.positive, away: false };
    case 'Reciprocal':
      return { finite: a.away, positive: a.positive, away: false };
    case 'Sqrt':
      return { finite: a.finite && a.positive, positive, away: a.positive && a.away };
    case 'Max':
      return {
        finite: all('finite'),
        positive: given.some((each) => each.positive),
        away: given.some((each) => each.away && each.positive),
      };
    case 'Add':
      return { finite: all('finite'), positive, away: positive && given.some((each) => each.away) };
    case 'Where':
      return { finite: all('finite'), positive: all('positive'), away: isGuarded(inputs, of) };
    default:
      return {
        finite: FINITE.has(op) && all('finite'),
        positive,
        away: (MOVING.has(op) || (op === 'Mul' && positive)) && all('away'),
      };
  }
}

/** Whether a tensor is a constant whole number, not below 0. */
const isCount = (x: Tensor | undefined): boolean =>
  x?.size === 1 && (x.constantValues() ?? [-1]).every((value) => Number.isInteger(value) && value >= 0);

/** n = 0 ? c : n */
function isGuarded([mask, c, n]: readonly (Tensor | undefined)[], of: (x: Tensor | undefined) => Known): boolean {
  const { producer } = mask?.value ?? {};
  const zero = producer?.inputs[1]?.constant;
  return (
    producer?.op === 'Equal' &&
    producer.inputs[0] === n?.value &&
    zero !== undefined &&
    numbersOf(zero).every((value) => value === 0) &&
    of(c).away
  );
}
