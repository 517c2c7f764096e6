/** Double precision, which the browser's build with WebGPU has no kernels for, not even on the CPU. */
import {
  type ConstantData,
  constantOf,
  type Graph,
  int,
  type Node,
  numbersOf,
  ONNX_DTYPE,
  type Tensor,
} from '../../graph/index.js';
import { type Rewrite, rewriteGraph } from '../transcribe.js';

/** A graph without double precision, and the names of the nodes that had it. */
interface Narrowed {
  readonly graph: Graph;
  readonly nodes: readonly string[];
}

/**
 * Computes in float32 what is float64: the learning rate, and the bias corrections of optimisers. These are to stay on the CPU, whose powers
 * are exact to the last digit: 1 − 0.999ᵗ is then right to 1.3·10⁻⁵, on a device only to some 10⁻⁴.
 */
export function narrowed(graph: Graph): Narrowed {
  if ([...graph.inputs, ...graph.outputs].some(({ dtype }) => dtype === 'float64')) return { graph, nodes: [] };
  const nodes: string[] = [];
  const rewrite: Rewrite = (node, inputs, target) => {
    if (![...node.inputs, ...node.outputs].some((value) => value?.dtype === 'float64')) return undefined;
    const outputs = target.emit(
      node.op,
      inputs.map((input) => input && single(input, target)),
      attributesOf(node),
      {
        outputs: node.outputs.length,
        domain: node.domain,
        modulePath: node.modulePath,
        types: node.outputs.map((output) => ({
          dtype: output?.dtype === 'float64' ? 'float32' : (output?.dtype ?? 'float32'),
          shape: output?.shape ?? [],
        })),
      },
    );
    nodes.push(outputs[0]?.value.producer?.name ?? '');
    return outputs;
  };
  return { graph: rewriteGraph(graph, rewrite), nodes };
}

const single = (tensor: Tensor, target: Graph): Tensor => {
  const { constant } = tensor.value;
  return constant?.dtype === 'float64' ? (target.constant(narrow(constant)) as Tensor) : tensor;
};

const narrow = (constant: ConstantData): ConstantData => constantOf('float32', constant.shape, numbersOf(constant));

/** The same, with a cast to the narrower type. */
const attributesOf = ({ op, attributes }: Node): Node['attributes'] =>
  op === 'Cast' && attributes.to?.value === ONNX_DTYPE.float64
    ? { ...attributes, to: int(ONNX_DTYPE.float32) }
    : attributes;
