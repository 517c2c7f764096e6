/**
 * Undoes what optimisers (onnxslim, onnxsim) do to the outputs of modules: products of matrices are flattened to two
 * dimensions and stay so through the activation behind them, and the factor ½ of a GELU moves into the next weight. The
 * graph computes the same afterwards, and again has the values that PyTorch's hooks see.
 */
import {
  attributesOf,
  byteLengthOf,
  constantOf,
  type Graph,
  insertAfter,
  int,
  makeConstant,
  makeValue,
  type Node,
  numbersOf,
  type Value,
} from '../graph/index.js';
import { folderOf } from './rename.js';

/** Operators that treat every element alike, so that they work on any number of dimensions. */
const ELEMENTWISE = new Set(
  'Add Sub Mul Div Pow Sqrt Erf Tanh Sigmoid Relu Gelu Clip HardSigmoid HardSwish LeakyRelu Elu Softplus Exp Identity'.split(
    ' ',
  ),
);

/** Restores the outputs of modules, in place. */
export function restoreOutputs(graph: Graph): void {
  const restorer = new Restorer(graph);
  for (const node of [...graph.nodes]) {
    if (node.op === 'Gemm') restorer.unflatten(node);
    if (node.op === 'Mul') restorer.halve(node);
  }
}

class Restorer {
  private readonly graph: Graph;
  private readonly readers = new Map<Value, Node[]>();
  private made = 0;

  constructor(graph: Graph) {
    this.graph = graph;
    for (const node of graph.nodes) this.register(node);
  }

  private register(node: Node): void {
    for (const input of new Set(node.inputs)) if (input) this.readers.set(input, [...this.readersOf(input), node]);
  }

  private readersOf(value: Value): readonly Node[] {
    return this.readers.get(value) ?? [];
  }

  /** Reshape([…, K] → [M, K]) → Gemm: what reads the product gets it as […, N]. */
  unflatten(gemm: Node): void {
    const [rows, weight] = gemm.inputs;
    const [product] = gemm.outputs;
    const [inner, outer] = matrixSides(gemm, weight);
    if (!rows || !product || inner === undefined || outer === undefined) return;
    const unflattened = flattenedFrom(rows, inner);
    if (unflattened === undefined) return;
    const consumers = this.readersOf(product);
    if (!this.anyRank(product) || consumers.every(({ op, inputs }) => op === 'Reshape' && lastOf(inputs[1]) === outer))
      return;
    const shape = this.insertAfter(gemm, 'Shape', [unflattened], { end: int(-1) });
    const columns = this.constant([outer]);
    const target = this.insertAfter(shape.producer as Node, 'Concat', [shape, columns], { axis: int(0) });
    const restored = this.insertAfter(target.producer as Node, 'Reshape', [product, target], {}, gemm.name);
    for (const node of consumers) {
      this.replaceInput(node, product, restored);
      // A view of the result that took the place of the Reshape behind the product, and its name.
      const isView = node.op === 'Reshape' && isOwnModule(gemm) && folderOf(node.name) === folderOf(gemm.name);
      if (isView) Object.assign(node, { name: `${outside(node.name)}.restored_${++this.made}` });
    }
    this.flattenAgain(restored);
  }

  /** True when everything that reads a value, or what is computed from it element by element, takes any rank. */
  private anyRank(start: Value): boolean {
    const derived = this.derivedFrom(start);
    const isSmall = (value: Value | undefined): boolean =>
      value === undefined || derived.has(value) || (value.constant?.shape.length ?? 2) < 2;
    return Array.from(derived).every(
      (value) =>
        !this.graph.outputs.includes(value) &&
        this.readersOf(value).every(({ op, inputs }) => {
          if (ELEMENTWISE.has(op)) return inputs.every(isSmall);
          if (op === 'Gemm') return inputs[0] === value && !inputs.slice(1).includes(value);
          const dims = op === 'Reshape' && inputs[1]?.constant ? numbersOf(inputs[1].constant) : [0];
          return !dims.includes(0);
        }),
    );
  }

  private derivedFrom(start: Value): Set<Value> {
    const derived = new Set([start]);
    for (const value of derived) {
      for (const { op, outputs } of this.readersOf(value))
        if (ELEMENTWISE.has(op) && outputs[0]) derived.add(outputs[0]);
    }
    return derived;
  }

  /** A Gemm takes matrices only: it reads the value through a Reshape. */
  private flattenAgain(restored: Value): void {
    for (const value of this.derivedFrom(restored)) {
      for (const gemm of this.readersOf(value).filter(({ op }) => op === 'Gemm')) {
        const [inner] = matrixSides(gemm, gemm.inputs[1]);
        const shape = this.constant([-1, inner as number]);
        const rows = this.insertAfter(value.producer as Node, 'Reshape', [value, shape], {}, gemm.name);
        this.replaceInput(gemm, value, rows);
      }
    }
  }

  /** x·(1 + erf(x/√2)) without the ½: the module returns half of it. */
  halve(product: Node): void {
    const [output] = product.outputs;
    const isOnePlusErf = product.inputs.some(
      (input) => input?.producer?.op === 'Add' && input.producer.inputs.some((term) => term?.producer?.op === 'Erf'),
    );
    if (!output || !isOnePlusErf || this.graph.outputs.includes(output)) return;
    const consumers = this.readersOf(output);
    const isHalf = (value: Value | undefined): boolean =>
      value?.constant !== undefined && byteLengthOf(value.constant) <= 8 && numbersOf(value.constant)[0] === 0.5;
    const halvedBefore = product.inputs.some((input) => input?.producer?.inputs.some(isHalf));
    if (halvedBefore || consumers.some(({ inputs }) => inputs.some(isHalf))) return;
    const half = this.insertAfter(product, 'Mul', [output, this.scalar(0.5)], {}, product.name);
    const double = this.insertAfter(half.producer as Node, 'Mul', [half, this.scalar(2)], {}, outside(product.name));
    for (const node of consumers) this.replaceInput(node, output, double);
  }

  private replaceInput(node: Node, from: Value, to: Value): void {
    node.inputs = node.inputs.map((input) => (input === from ? to : input));
    this.readers.set(
      from,
      this.readersOf(from).filter((reader) => reader !== node),
    );
    this.readers.set(to, [...this.readersOf(to), node]);
  }

  /** Adds a node behind another, with a name like `beside`'s, which tells its module. */
  private insertAfter(
    node: Node,
    op: string,
    inputs: Value[],
    attributes: Node['attributes'] = {},
    beside = '',
  ): Value {
    this.made += 1;
    const added = makeValue(op, `${beside}.restored_${this.made}`, inputs, attributes);
    insertAfter(this.graph, node, added.node);
    this.register(added.node);
    return added.value;
  }

  private constant(values: readonly number[]): Value {
    return { ...makeConstant(`restored_${++this.made}`, constantOf('int64', [values.length], values)), literal: true };
  }

  private scalar(value: number): Value {
    return { ...makeConstant(`restored_${++this.made}`, constantOf('float32', [], [value])), literal: true };
  }
}

/** Rows and columns of the constant matrix that a Gemm multiplies with. */
function matrixSides(gemm: Node, weight: Value | undefined): readonly (number | undefined)[] {
  const shape = weight?.constant?.shape ?? [];
  const [first, second] = shape;
  if (shape.length !== 2 || attributesOf(gemm).int('transA', 0) !== 0) return [];
  return attributesOf(gemm).int('transB', 0) === 0 ? [first, second] : [second, first];
}

/** What a Reshape to a matrix was made from, if that has the same last dimension. */
function flattenedFrom(rows: Value, inner: number): Value | undefined {
  const node = rows.producer;
  const [value, shape] = node?.op === 'Reshape' ? node.inputs : [];
  const dims = shape?.constant ? numbersOf(shape.constant) : [];
  return value && dims.length === 2 && lastDimension(value) === inner ? value : undefined;
}

const lastOf = (shape: Value | undefined): number | undefined => shape?.constant && numbersOf(shape.constant).at(-1);

/** The last dimension of an activation, where weights tell it. */
function lastDimension(value: Value): number | undefined {
  const node = value.producer;
  if (node === undefined) return undefined;
  if (node.op === 'Gemm') return matrixSides(node, node.inputs[1])[1];
  if (node.op === 'MatMul' || node.op === 'LayerNormalization') return node.inputs[1]?.constant?.shape.at(-1);
  if (node.op === 'Reshape') return lastOf(node.inputs[1]);
  if (!ELEMENTWISE.has(node.op)) return undefined;
  const known = node.inputs.map((input) => input && (input.constant?.shape.at(-1) ?? lastDimension(input)));
  return known.find((dim) => dim !== undefined && dim > 1);
}

/** False for a product with the weights of another module than the one it stands in. */
function isOwnModule({ inputs, name }: Node): boolean {
  const owner = /([\w-]+)\.bias$/.exec(inputs[2]?.name ?? '')?.[1];
  return owner === undefined || folderOf(name).endsWith(owner);
}

/** The name of a node in the module around that of the named one. */
const outside = (name: string): string => `${folderOf(folderOf(name))}/${name.slice(name.lastIndexOf('/') + 1)}`;
