/**
 * Types and values of a model's tensors for given types of its inputs, without running it: by the operators' own rules. Values
 * that do not depend on the data are computed where a type depends on them, or where they are asked for: shape arithmetic here,
 * all else by ONNX Runtime, in as few sessions as what is known allows. An operator without an entry is run by itself.
 */
import {
  bytesPerElement,
  constantOf,
  dependents,
  describeNode,
  GlobalPercError,
  type Graph,
  isDifferentiable,
  type Node,
  neededNodes,
  readsOnlyShape,
  type Shape,
  sizeOf,
  type TensorType,
  typedArray,
  type Value,
  wrongInputs,
} from '../graph/index.js';
import { createGraph, operatorOf, ValueNeededError } from '../ops/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { isControlFlow } from './control-flow.js';
import { constantFrom, evaluate } from './evaluate.js';
import { isSmall, sizesOf, smallValue } from './small-values.js';

/** Standard operators whose outputs have shapes that depend on the data: they are run on what the model makes of a sample. */
const SHAPED_BY_DATA = new Set(['NonZero', 'Compress', 'Unique', 'NonMaxSuppression']);

/** Whether another image may give a node's outputs another shape, for all that is known of its operator. */
export const isShapedByData = ({ op, domain }: Node): boolean => domain !== '' || SHAPED_BY_DATA.has(op);

/** How ONNX Runtime is asked. */
export interface Asking {
  readonly opset: number;
  readonly options: SessionOptions;
}

export class Inference {
  /** The model's inputs, typed, and the constants that may change later. */
  private readonly sources: readonly Value[];
  private readonly asking: Asking;
  /** Infers types, and holds nothing. */
  private readonly graph: Graph = createGraph();
  private readonly known = new Set<Node>();

  /**
   * @param inputs The model's inputs, with the types that are asked about.
   * @param variables Constants that may change later: nothing computed from them is a constant.
   */
  constructor(inputs: readonly Value[], variables: readonly Value[], asking: Asking) {
    this.sources = [...inputs, ...variables];
    this.asking = asking;
  }

  /** Values that change with the data of the inputs; a Shape of them does not. */
  dependent(nodes: readonly Node[]): ReadonlySet<Value> {
    return dependents(nodes, this.sources, {
      passes: (node, reached) => !readsOnlyShape(node) && (reached || operatorOf(node)?.random === true),
    });
  }

  /**
   * Gives the outputs of nodes their types, in place, and their values where those were needed for it. What waits for control
   * flow stays as it is.
   * @throws GlobalPercError naming the node whose inputs do not fit, or whose output's type depends on the image.
   */
  *learn(nodes: readonly Node[]): Steps<void> {
    const dependent = this.dependent(nodes);
    let waiting = nodes.filter((node) => !this.known.has(node));
    while (waiting.length > 0) {
      const asked = new Set<Value>();
      const strange: Node[] = [];
      waiting = waiting.filter((node) => !this.settled(node, dependent, asked, strange));
      if (asked.size === 0 && strange.length === 0) return requireWaiting(waiting);
      yield* this.settle(nodes, [...asked]);
      for (const node of strange) yield* this.measure(nodes, node, dependent);
    }
  }

  /** Makes constants of values that do not depend on the data, and of whatever else the same nodes compute. */
  *evaluate(nodes: readonly Node[], values: readonly Value[]): Steps<void> {
    const needed = neededNodes(nodes, values);
    yield* this.learn(needed);
    yield* this.settle(needed, values);
  }

  /** @param nodes Have been learnt, as far as the values need it. */
  private *settle(nodes: readonly Node[], values: readonly Value[]): Steps<void> {
    const open = values.filter(({ constant }) => constant === undefined);
    const together = new Set(open.flatMap((value) => value.producer?.outputs ?? [value]));
    const unknown = [...together].filter((value) => value !== undefined);
    if (unknown.length === 0) return;
    for (const [value, tensor] of yield* this.run(nodes, unknown, [])) settle(value, constantFrom(tensor));
  }

  /** Whether the types of a node's outputs are known now. @param asked, strange get what has to be found out first. */
  private settled(node: Node, dependent: ReadonlySet<Value>, asked: Set<Value>, strange: Node[]): boolean {
    const outputs = node.outputs.filter((output) => output !== undefined);
    if (isControlFlow(node) || !node.inputs.every((input) => input === undefined || isTyped(input))) return false;
    if (outputs.every(isTyped) && outputs.length > 0 && !operatorOf(node)) return this.noted(node);
    if (!operatorOf(node)) {
      if (outputs.some((output) => dependent.has(output))) strange.push(node);
      else for (const output of outputs) asked.add(output);
      return false;
    }
    try {
      this.infer(node, dependent);
    } catch (error) {
      const needed = neededBy(error);
      if (needed === undefined || dependent.has(needed)) throw error;
      // Others that are as small are most likely asked for next.
      for (const input of node.inputs)
        if (input && (input === needed || (!dependent.has(input) && sizeOf(input.shape ?? []) < 64))) asked.add(input);
      return false;
    }
    return this.noted(node);
  }

  private noted(node: Node): true {
    this.known.add(node);
    return true;
  }

  private infer(node: Node, dependent: ReadonlySet<Value>): void {
    const types = this.typesOf(node);
    for (const [i, output] of node.outputs.entries()) if (output) Object.assign(output, types[i]);
    const [output] = node.outputs;
    if (output === undefined || dependent.has(output)) return;
    const value = readsOnlyShape(node)
      ? sizesOf(node, node.inputs[0]?.shape ?? [])
      : isSmall(node) && smallValue(node, types[0] as TensorType);
    if (value) settle(output, value);
  }

  private typesOf(node: Node): readonly TensorType[] {
    const types = this.inferred(node);
    if (types.length >= node.outputs.length) return types;
    throw new GlobalPercError(
      `${describeNode(node)}: ${node.outputs.length} outputs asked for, ${types.length} inferred`,
      { code: 'invalid-model' },
    );
  }

  private inferred(node: Node): readonly TensorType[] {
    try {
      return this.graph.infer(node) ?? [];
    } catch (error) {
      if (error instanceof GlobalPercError) throw error;
      // The rules rely on what every node of their operator has; one of a file may lack it.
      throw wrongInputs(node, node.inputs, error);
    }
  }

  /** Runs an operator without an entry to learn its outputs' types. */
  private *measure(nodes: readonly Node[], node: Node, dependent: ReadonlySet<Value>): Steps<void> {
    const outputs = node.outputs.filter((output) => output !== undefined);
    const own = node.inputs.filter((input) => input !== undefined && dependent.has(input)) as Value[];
    const given = isShapedByData(node) ? this.sources.filter(({ constant }) => constant === undefined) : own;
    for (const [output, { dtype, dims }] of yield* this.run(nodes, outputs, given))
      Object.assign(output, { dtype, shape: [...dims] });
  }

  /** Runs what some values need, from samples of `given` on. */
  private *run(
    nodes: readonly Node[],
    wanted: readonly Value[],
    given: readonly Value[],
  ): Steps<ReadonlyMap<Value, HostTensor>> {
    const feeds = new Map(given.map((value) => [value, sampleOf(value as TensorType)]));
    return yield* evaluate(nodes, wanted, { ...this.asking, feeds });
  }
}

/** @throws Error where nodes stay unknown that no control flow keeps waiting: a defect. */
function requireWaiting(nodes: readonly Node[]): void {
  const [first] = nodes;
  if (first && !nodes.some(isControlFlow)) throw new Error(`defect: ${describeNode(first)} reads what has no type`);
}

/** Makes a constant of what a node computes. */
function settle(value: Value, constant: NonNullable<Value['constant']>): void {
  const { dtype, shape } = constant;
  Object.assign(value, { dtype, shape, constant });
  delete value.producer;
}

const isTyped = ({ dtype, shape }: Value): boolean => dtype !== undefined && shape !== undefined;

/** The value that a rule asked for. */
function neededBy(error: unknown): Value | undefined {
  const cause = error instanceof GlobalPercError ? error.cause : undefined;
  return cause instanceof ValueNeededError ? cause.value : undefined;
}

/** Any data will do, since shapes alone are learnt: ones, which are valid indices too; images of medium grey. */
function sampleOf({ dtype, shape }: TensorType): HostTensor {
  const bytes = new Uint8Array(sizeOf(shape) * bytesPerElement(dtype));
  const data = typedArray(dtype, bytes);
  const one = constantOf(dtype, [], [isDifferentiable(dtype) ? 0.5 : 1]);
  (data as Float32Array).fill(typedArray(dtype, one.bytes)[0] as number);
  return { dtype, dims: shape as Shape, data };
}
