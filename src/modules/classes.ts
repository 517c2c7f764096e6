/** Which PyTorch class a group of nodes comes from, by the operators it is made of. */
import { attributesOf, type Node, numbersOf } from '../graph/index.js';

/** Class of a module whose operators fit no pattern. */
export const UNKNOWN_CLASS = 'Module';

type Classify = string | ((nodes: readonly Node[]) => string);

const dimensions = (node: Node): number =>
  node.op.startsWith('Conv')
    ? (node.inputs[1]?.constant?.shape.length ?? 4) - 2
    : (attributesOf(node).ints('kernel_shape')?.length ?? 2);

const perDimension =
  (prefix: string, position = 0): Classify =>
  (nodes) =>
    `${prefix}${dimensions(nodes[position] as Node)}d`;

const hasConstantWeight = (node: Node | undefined): boolean =>
  node?.inputs[1]?.constant !== undefined || isFoldable(node?.inputs[1]?.producer);

/** TorchScript leaves the transposition of a shared weight in the graph. */
const isFoldable = (node: Node | undefined): boolean =>
  node?.inputs.every((input) => input?.constant !== undefined) ?? false;

const linear: Classify = (nodes) =>
  hasConstantWeight(nodes.find(({ op }) => op === 'MatMul' || op === 'Gemm')) ? 'Linear' : UNKNOWN_CLASS;

const clip: Classify = ([node]) => {
  const bounds = node?.inputs.slice(1).map((input) => input?.constant && numbersOf(input.constant)[0]);
  return bounds?.[0] === 0 && bounds[1] === 6 ? 'ReLU6' : 'Hardtanh';
};

const PADDING: Readonly<Record<string, string>> = {
  reflect: 'ReflectionPad2d',
  edge: 'ReplicationPad2d',
  wrap: 'CircularPad2d',
};
const pad: Classify = ([node]) => PADDING[attributesOf(node as Node).string('mode', 'constant')] ?? 'ZeroPad2d';

/** Operators of a module in order, without those that only prepare shapes. */
const PATTERNS: Readonly<Record<string, Classify>> = {
  Conv: perDimension('Conv'),
  ConvTranspose: perDimension('ConvTranspose'),
  Gemm: linear,
  'Transpose Gemm': linear,
  'MatMul Add': linear,
  'Transpose MatMul Add': linear,
  'Transpose MatMul': linear,
  MatMul: linear,
  Relu: 'ReLU',
  Clip: clip,
  Gelu: 'GELU',
  'Div Erf Add Mul Mul': 'GELU',
  'Mul Erf Add Mul Mul': 'GELU',
  'Mul Mul Mul Add Mul Tanh Add Mul Mul': 'GELU',
  'Pow Mul Add Mul Tanh Add Mul Mul': 'GELU',
  'Mul Pow Mul Add Mul Tanh Add Mul': 'GELU',
  'Sigmoid Mul': 'SiLU',
  'Softplus Tanh Mul': 'Mish',
  Mish: 'Mish',
  HardSwish: 'Hardswish',
  'HardSigmoid Mul': 'Hardswish',
  'Add Clip Div Mul': 'Hardswish',
  'Add Clip Mul Div': 'Hardswish',
  HardSigmoid: 'Hardsigmoid',
  'Add Clip Div': 'Hardsigmoid',
  Sigmoid: 'Sigmoid',
  Tanh: 'Tanh',
  LeakyRelu: 'LeakyReLU',
  PRelu: 'PReLU',
  Elu: 'ELU',
  Selu: 'SELU',
  Celu: 'CELU',
  Softplus: 'Softplus',
  Softsign: 'Softsign',
  Softmax: 'Softmax',
  LogSoftmax: 'LogSoftmax',
  BatchNormalization: 'BatchNorm2d',
  LayerNormalization: 'LayerNorm',
  'ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add': 'LayerNorm',
  'ReduceMean Sub Pow ReduceMean Add Sqrt Div': 'LayerNorm',
  InstanceNormalization: 'InstanceNorm2d',
  GroupNormalization: 'GroupNorm',
  'Reshape InstanceNormalization Reshape Mul Add': 'GroupNorm',
  'Reshape InstanceNormalization Reshape': 'GroupNorm',
  RMSNormalization: 'RMSNorm',
  LRN: 'LocalResponseNorm',
  MaxPool: perDimension('MaxPool'),
  AveragePool: perDimension('AvgPool'),
  'Pad AveragePool': perDimension('AvgPool', 1),
  GlobalAveragePool: 'AdaptiveAvgPool2d',
  GlobalMaxPool: 'AdaptiveMaxPool2d',
  Flatten: 'Flatten',
  Resize: 'Upsample',
  DepthToSpace: 'PixelShuffle',
  SpaceToDepth: 'PixelUnshuffle',
  Pad: pad,
  Gather: 'Embedding',
};

const SHAPE_ARITHMETIC = new Set(['Shape', 'Identity', 'Cast', 'Constant', 'ConstantOfShape']);

/** Class of the module that consists of these nodes; `'Module'` when no pattern fits. */
export function classOf(nodes: readonly Node[]): string {
  const essential = nodes.filter(({ op }) => !SHAPE_ARITHMETIC.has(op));
  const classify = PATTERNS[essential.map(({ op }) => op).join(' ')];
  if (classify === undefined) return UNKNOWN_CLASS;
  return typeof classify === 'string' ? classify : classify(essential);
}
