/** Says which operator an image is too small for, and how large it has to be, by inferring shapes alone. */
import {
  describeNode,
  GlobalPercError,
  isDifferentiable,
  type Node,
  type Shape,
  Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { createGraph, emptyOutput, operatorOf, TooSmallError } from '../ops/index.js';

type Inputs = ReadonlyMap<Value, TensorType>;

/** Larger images are not tried: no layer of a known network takes that much. */
const LARGEST = 1024;

/** What inferring the nodes' shapes tells; nodes whose inputs are not known without running them are in neither. */
interface Inferred {
  readonly passed: ReadonlySet<Node>;
  readonly failed: ReadonlyMap<Node, GlobalPercError>;
}

/**
 * The error for images that leave an operator without output, where larger ones do not; else `undefined`.
 * @param cause What went wrong when the model was run.
 */
export function tooSmall(nodes: readonly Node[], inputs: Inputs, cause: unknown): GlobalPercError | undefined {
  const image = [...inputs.values()].find(isImage)?.shape;
  if (image === undefined) return undefined;
  const failed = [...infer(nodes, inputs).failed];
  const found = failed.find(([, error]) => error instanceof TooSmallError);
  if (found === undefined) return undefined;
  const [node, { message }] = found;
  const smallest = smallestSizes(nodes, inputs, image.length - 2);
  if (smallest === undefined && !infer(nodes, resized(inputs, [])).passed.has(node)) return undefined;
  const remedy = smallest ? `the smallest size is ${smallest.join(' x ')}` : 'take a larger one';
  const what = image.length === 4 ? 'image' : 'input';
  return new GlobalPercError(`the ${what} [${image}] is too small for ${describeNode(node)}: ${message}; ${remedy}`, {
    code: 'invalid-argument',
    cause,
  });
}

/** The smallest sizes that pass all nodes: of images as high as wide, then of each axis alone. */
function smallestSizes(nodes: readonly Node[], inputs: Inputs, axes: number): Shape | undefined {
  const fits = (sizes: Shape): boolean => infer(nodes, resized(inputs, sizes)).failed.size === 0;
  const tried = Array.from({ length: LARGEST }, (_, i) => i + 1);
  const size = tried.find((each) => fits(Array(axes).fill(each)));
  if (size === undefined) return undefined;
  return Array.from({ length: axes }).reduce<number[]>(
    (sizes, _, axis) => sizes.with(axis, tried.find((each) => each === size || fits(sizes.with(axis, each))) ?? size),
    Array(axes).fill(size),
  );
}

const isImage = ({ dtype, shape }: TensorType): boolean => isDifferentiable(dtype) && shape.length > 2;

/** The inputs with images of these sizes, LARGEST where none is given. */
const resized = (inputs: Inputs, sizes: Shape): Inputs =>
  new Map(
    Array.from(inputs, ([value, type]) => {
      const shape = type.shape.map((dim, i) => (i < 2 ? dim : (sizes[i - 2] ?? LARGEST)));
      return [value, isImage(type) ? { dtype: type.dtype, shape } : type];
    }),
  );

function infer(nodes: readonly Node[], inputs: Inputs): Inferred {
  const graph = createGraph();
  const known = new Map<Value, Tensor>(
    Array.from(inputs, ([value, { dtype, shape }]) => [value, graph.input(value.name, dtype, shape)]),
  );
  const passed = new Set<Node>();
  const failed = new Map<Node, GlobalPercError>();
  for (const node of nodes) {
    const given = node.inputs.map(
      (value) => value && (known.get(value) ?? (value.constant && new Tensor(graph, value))),
    );
    if (!operatorOf(node) || node.inputs.some((value, i) => value && !given[i])) continue;
    try {
      const outputs = graph.emit(node.op, given, node.attributes, { outputs: node.outputs.length });
      const empty = outputs.find(({ shape }) => shape.some((dim) => dim < 1));
      if (empty) throw emptyOutput(empty.shape.slice(2));
      passed.add(node);
      node.outputs.forEach((value, i) => {
        if (value) known.set(value, outputs[i] as Tensor);
      });
    } catch (error) {
      // A rule may trip over a damaged node that lacks inputs: ONNX Runtime has said what is wrong with it.
      if (!(error instanceof GlobalPercError)) continue;
      if (error.code === 'unsupported-operator') continue; // its shape depends on values: not known here
      failed.set(node, error.cause instanceof GlobalPercError ? error.cause : error);
    }
  }
  return { passed, failed };
}
