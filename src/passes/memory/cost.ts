/** How long a node takes, roughly: to choose by, not to promise. */
import { byteLengthOf, elementsOf, multiplicationsOf, type Node, sizeOf, type Value } from '../../graph/index.js';

/** Multiplications and additions a second in products, and bytes a second that all else reads and writes: a small CPU's, whose ratio is what counts. */
const [OPERATIONS, BYTES] = [200e9, 10e9];

/** Seconds that a node takes whatever it computes. */
const CALL = 3e-6;

/** Products do so many operations for each element that they read or write; sums that are written as products do fewer. */
const HEAVY = 16;

/** Seconds. */
export const secondsOf = (node: Node): number => CALL + operationsOf(node) / OPERATIONS + bytesMoved(node) / BYTES;

/** Whether it is a product or a convolution that takes long: what divides a network into layers. */
export function isHeavy(node: Node): boolean {
  const operations = operationsOf(node);
  if (operations === 0) return false;
  const elements = [...node.inputs, ...node.outputs].reduce((sum, value) => sum + elementsOf(value), 0);
  return operations > HEAVY * elements;
}

/** Multiplications and additions of products and convolutions; 0 for all else. */
const operationsOf = (node: Node): number => 2 * (recurrent(node) ?? multiplicationsOf(node));

/** Multiplications of a recurrent layer, each step of which reads all weights. */
function recurrent({ op, inputs: [x, ...weights] }: Node): number | undefined {
  if (op !== 'LSTM' && op !== 'GRU' && op !== 'RNN') return undefined;
  return sizeOf(x?.shape?.slice(0, 2) ?? []) * weights.slice(0, 2).reduce((sum, w) => sum + elementsOf(w), 0);
}

const bytesMoved = ({ inputs, outputs }: Node): number => bytesOfAll(inputs) + bytesOfAll(outputs);

/** Bytes of a value. */
export const bytesOf = (value: Value | undefined): number =>
  value?.dtype && value.shape ? byteLengthOf({ dtype: value.dtype, shape: value.shape }) : 0;

/** Bytes of some values. */
export function bytesOfAll(values: Iterable<Value | undefined>): number {
  let sum = 0;
  for (const value of values) sum += bytesOf(value);
  return sum;
}

/** Bytes of the constants among some values that lie in files. */
export const bytesInFiles = (values: Iterable<Value | undefined>): number =>
  bytesOfAll([...values].filter((value) => value?.constant?.place));
