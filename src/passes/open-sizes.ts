/**
 * What a graph knows of the size of its images becomes input: for images of another size it is then, mostly, the same graph, and the session that
 * computes it need not be opened again. ONNX Runtime computes it as fast as with constants.
 */
import {
  type ConstantData,
  type Graph,
  type Node,
  neededNodes,
  numbersOf,
  sizeOf,
  typedArray,
  uniqueName,
  type Value,
} from '../graph/index.js';

/** Inputs of operators, by index, that tell sizes; ONNX Runtime reads them when it runs. */
const TELLING_SIZES: Readonly<Record<string, readonly number[]>> = {
  ConstantOfShape: [0],
  Expand: [1],
  Pad: [1],
  Reshape: [1],
  Slice: [1, 2],
  Tile: [1],
};

/** In larger graphs it takes ONNX Runtime twice the time to open a session where sizes are not told (a ViT of 8000 nodes: 0.8 s for 0.4). */
const MOST_NODES = 6000;

/** Inputs, by index, that may be one number as often as there are places: ones by which a product adds up, zeros to which a pool's gradient is added. */
const REPEATING: Readonly<Record<string, number>> = { MatMul: 0, ScatterElements: 0 };

/** At most so often: every run is given them. Folding makes no more of it than this. */
const MOST_TIMES = 2 ** 14;

/**
 * Sets constants apart, in place, that other sizes may have otherwise. It need not be exact: whatever else differs is compared before a session is used
 * for another graph.
 * @param gradients outputs of the graph that are gradients: what leads to them alone has factors 1/n. Elsewhere ONNX Runtime knows functions by their numbers,
 * such as GELU.
 * @param known constants that are to be set apart, whatever reads them
 * @returns constants that no other node reads, by names that no input or output has; undefined where the graph is too large, and stays as it is
 */
export function openSizes(graph: Graph, gradients: readonly string[], known: ReadonlySet<Value>): Value[] | undefined {
  if (graph.nodes.length > MOST_NODES) return undefined;
  const opened = new Map<string | Value, Value>();
  const taken = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const apart = (value: Value, node: Node): Value => {
    const role = value.dtype === 'int64' ? roleOf(value, node) : value;
    const own = opened.get(role) ?? { ...value, name: uniqueName(`size:${opened.size}`, taken) };
    opened.set(role, own);
    return own;
  };
  const left = leftToFolding(graph.nodes);
  const others = graph.outputs.filter(({ name }) => !gradients.includes(name));
  const forward = new Set(neededNodes(graph.nodes, others));
  for (const node of graph.nodes) {
    const opens = (value: Value, index: number): boolean =>
      known.has(value) ||
      (isFactor(node, value, index) ? !forward.has(node) && !left.has(node) : tellsSize(node, value, index, left));
    node.inputs = node.inputs.map((value, i) => (value?.constant && opens(value, i) ? apart(value, node) : value));
  }
  return [...opened.values()];
}

/** Shapes that are the same for one size may be two for another, those of square images above all: only where they do the same with the same they are one. */
const roleOf = ({ constant }: Value, { op, inputs: [data], outputs: [made] }: Node): string =>
  `${op} [${data?.shape}] [${made?.shape}] ${numbersOf(constant as ConstantData)}`;

/** Nodes that depend on constants alone: weights in another arrangement, which ONNX Runtime computes once. */
function leftToFolding(nodes: readonly Node[]): ReadonlySet<Node> {
  const left = new Set<Node>();
  for (const node of nodes)
    if (node.inputs.every((value) => !value || value.constant || (value.producer && left.has(value.producer))))
      left.add(node);
  return left;
}

function tellsSize(node: Node, value: Value, index: number, left: ReadonlySet<Node>): boolean {
  if (node.domain !== '' || (left.has(node) && !makesOfOne(node))) return false;
  if (REPEATING[node.op] === index) return isRepeated(value);
  return value.dtype === 'int64' && TELLING_SIZES[node.op]?.includes(index) === true;
}

/** One number in a shape. */
const makesOfOne = ({ op, inputs: [data] }: Node): boolean =>
  op === 'ConstantOfShape' || (op === 'Expand' && sizeOf(data?.shape ?? [0]) === 1);

function isRepeated({ dtype, shape = [], constant }: Value): boolean {
  if (dtype !== 'float32' || !constant || constant.place || sizeOf(shape) > MOST_TIMES) return false;
  const numbers = typedArray(dtype, constant.bytes);
  return numbers.every((number) => number === numbers[0]);
}

/** A number by which all others are multiplied or divided. */
const isFactor = ({ op, domain }: Node, { dtype, shape = [] }: Value, index: number): boolean =>
  domain === '' && (op === 'Mul' || (op === 'Div' && index === 1)) && dtype === 'float32' && sizeOf(shape) === 1;
