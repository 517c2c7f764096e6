/**
 * Keeps from ONNX Runtime what it would know of shapes before a graph runs: it looks for a buffer of the same shape, for every value whose rank it knows,
 * among all that were ever free.
 */
import {
  constantOf,
  type Graph,
  makeConstant,
  makeNode,
  type Node,
  readersOf,
  type Shape,
  type Value,
} from '../graph/index.js';

/** Readers of a matrix that do not hand on that it is one: Reshape, and those whose own results have a rank without it. */
const INDIFFERENT = new Set(['Reshape', 'Gemm', 'Size']);

/**
 * The graph with a Reshape, which copies nothing, behind each Gemm whose rank would be handed on: what a Gemm gives is a matrix, whatever it is given. It takes
 * the place of the given one, whose values it computes.
 */
export function unranked(graph: Graph): Graph {
  const readers = readersOf(graph);
  const shapes = new Map<string, Value>();
  const shapeOf = (shape: Shape): Value => {
    const known = shapes.get(`${shape}`) ?? makeConstant('shape', constantOf('int64', [shape.length], [...shape]));
    shapes.set(`${shape}`, known);
    return known;
  };
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [value] = node.outputs;
    if (node.op !== 'Gemm' || !value?.shape || (readers.get(value) ?? []).every(({ op }) => INDIFFERENT.has(op)))
      return [node];
    const { producer: _, ...matrix } = { ...value, name: `${value.name}.matrix` };
    return [
      makeNode({ ...node, outputs: [matrix] }),
      makeNode({
        op: 'Reshape',
        name: `${node.name}.unranked`,
        inputs: [matrix, shapeOf(value.shape)],
        outputs: [value],
      }),
    ];
  });
  return Object.assign(Object.create(Object.getPrototypeOf(graph)), graph, { nodes });
}

/** Constants that tell what Reshapes make. As inputs that have a value, which another could replace, they tell nothing while a graph is opened. */
export const shapesIn = ({ nodes }: Graph): Value[] => [
  ...new Set(nodes.flatMap(({ op, inputs }) => (op === 'Reshape' && inputs[1]?.constant ? [inputs[1]] : []))),
];
