/** Where an imported model can get low-rank adapters: at products with a weight of its own. */
import { attributesOf, type Graph, insertAfter, type Node, type Tensor, type Value } from '../graph/index.js';
import type { LoraLayer } from '../nn/index.js';
import { placeholder } from '../ops/index.js';

/** The products with one weight, and how it lies in them. */
export interface Products {
  readonly nodes: readonly Node[];
  /** Whether the weight is `[in, out]`. */
  readonly transposed: boolean;
}

/** The nodes that multiply by a weight; undefined where it is read otherwise, too. */
export function productsWith(graph: Graph, weight: Value): Products | undefined {
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(weight));
  const turned = readers.map((node) => (node.op === 'Transpose' ? turnedProduct(graph, node) : undefined));
  if (readers.length > 0 && turned.every((node) => node !== undefined)) return { nodes: turned, transposed: false };
  const lies = new Set(readers.map((node) => layoutIn(node, weight)));
  const [layout, ...others] = lies;
  if (layout === undefined || others.length > 0) return undefined;
  return { nodes: readers, transposed: layout === 'in, out' };
}

/** The only reader of what a Transpose makes, where that is a product. */
function turnedProduct(graph: Graph, { outputs }: Node): Node | undefined {
  const [turned] = outputs;
  const [reader, ...others] = graph.nodes.filter(({ inputs }) => inputs.includes(turned));
  return others.length === 0 && reader?.op === 'MatMul' && reader.inputs[1] === turned ? reader : undefined;
}

function layoutIn(node: Node, weight: Value): 'in, out' | 'out, in' | undefined {
  if (node.inputs[1] !== weight || node.inputs[0] === weight) return undefined;
  const rank = weight.constant?.shape.length;
  const read = attributesOf(node);
  if (node.op === 'MatMul' && rank === 2) return 'in, out';
  if (node.op === 'Gemm' && read.int('transA', 0) === 0) return read.int('transB', 0) === 1 ? 'out, in' : 'in, out';
  return node.op === 'Conv' && rank === 4 && read.int('group', 1) === 1 ? 'out, in' : undefined;
}

/** Reads the two weights of an adapter in the graph of a tensor. */
type Read = (x: Tensor) => { readonly a: Tensor; readonly b: Tensor };

/** Puts an adapter behind a product: what read that reads the sum, unless the product's own weight holds it. */
export function insertAdapter(graph: Graph, product: Node, path: string, layer: LoraLayer, read: Read): void {
  const [sum] = product.outputs as [Value];
  const { producer: _, ...plain } = sum;
  product.outputs[0] = { ...plain, name: `${sum.name}_without_adapter`, producer: product };
  const added = ([x, y]: readonly Tensor[]): Tensor => {
    if (layer.merged) return y as Tensor;
    const { a, b } = read(x as Tensor);
    return (y as Tensor).add(lowRank(product, x as Tensor, a, b).mul(layer.alpha / layer.rank));
  };
  const inputs = [product.inputs[0] as Value, product.outputs[0] as Value];
  insertAfter(graph, product, placeholder(`${path}.lora`, product.modulePath ?? '', inputs, sum, added));
}

/** B(A x), x taken as the product takes it. */
function lowRank({ op, attributes }: Node, x: Tensor, a: Tensor, b: Tensor): Tensor {
  if (op !== 'Conv') return x.matmul(a.swapAxes(0, 1)).matmul(b.swapAxes(0, 1));
  const [down] = x.graph.emit('Conv', [x, a], attributes) as [Tensor];
  return x.graph.emit('Conv', [down, b])[0] as Tensor;
}
