/**
 * Reverse-mode differentiation of a static graph: appends the nodes that compute the gradient.
 * Summing broadcast gradients and adding up several uses happens here and nowhere else.
 */
import {
  attributesOf,
  checked,
  dependents,
  describeNode,
  GlobalPercError,
  type Graph,
  type Node,
  neededNodes,
  readsAny,
  type Shape,
  sameShape,
  Tensor,
  type Value,
  wrongInputs,
} from '../graph/index.js';
import { carriesGradient, type OpDefinition, operatorOf, stopsGradient, type VjpContext } from '../ops/index.js';

/**
 * Gradients of a scalar with respect to some tensors of the same graph, appended to that graph.
 * A tensor the loss does not depend on gets zeros.
 * @throws GlobalPercError before anything is appended, when the gradient must pass an operator that has no rule.
 */
export function gradient(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.size !== 1)
    throw new GlobalPercError(`a gradient needs a scalar loss, got shape [${loss.shape}]`, {
      code: 'invalid-argument',
    });
  const { graph } = loss;
  const active = activeIn(graph, wrt);
  const reached = graph.nodes.filter((node) => passes(node, readsAny(node, active)));
  const path = neededNodes(reached, [loss.value], (value) => active.has(value));
  path.forEach(ruleOf);

  const pending = new Map<Value, Tensor[]>([[loss.value, [graph.scalar(1, loss.dtype).expand(loss.shape)]]]);
  for (const node of path.toReversed()) {
    try {
      backward(graph, node, active, pending);
    } catch (error) {
      throw lacking(node, error) ?? error;
    }
  }
  const gradients = wrt.map((tensor) => accumulated(pending, tensor.value) ?? tensor.zerosLike());
  checked(graph, 'differentiating it');
  return gradients;
}

const passes = (node: Node, reached: boolean): boolean => reached && !stopsGradient(node);

/** What gradients flow from to some tensors. */
const activeIn = (graph: Graph, wrt: readonly Tensor[]): ReadonlySet<Value> =>
  dependents(
    graph.nodes,
    wrt.map(({ value }) => value),
    { passes, carries: carriesGradient },
  );

/** Whether a gradient of `loss` by `source` is more than the zeros of what it does not depend on. */
export const carriesGradientTo = (loss: Tensor, source: Tensor): boolean =>
  activeIn(loss.graph, [source]).has(loss.value);

/** @throws GlobalPercError for an operator that has none. */
function ruleOf(node: Node): NonNullable<OpDefinition['vjp']> {
  const rule = operatorOf(node)?.vjp;
  if (rule !== undefined) return rule;
  throw new GlobalPercError(
    `${describeNode(node)}: this operator has no gradient rule, and the gradient must pass through it; ` +
      'hook only modules before it, or export the model without it',
    { code: 'unsupported-operator' },
  );
}

/** Rules rely on what every node of their operator has; where one of a file lacks it, that is why its rule broke. */
function lacking(node: Node, cause: unknown): GlobalPercError | undefined {
  const read = ruleOf(node).length - 1;
  const given = Array.from({ length: read }, (_, i) => node.inputs[i]);
  if (cause instanceof GlobalPercError || !given.includes(undefined)) return undefined;
  return wrongInputs(node, given, cause);
}

/** Applies the rule of one node and hands each input that depends on what is asked for its share. */
function backward(graph: Graph, node: Node, active: ReadonlySet<Value>, pending: Map<Value, Tensor[]>): void {
  const dys = node.outputs.map((output) => output && accumulated(pending, output));
  if (dys.every((dy) => dy === undefined)) return;
  const inputs = node.inputs.map((input) => input && new Tensor(graph, input));
  const outputs = node.outputs.map((output) => output && new Tensor(graph, output));
  const gradients = ruleOf(node)(vjpContext(node, outputs as Tensor[], dys), ...(inputs as [Tensor, ...Tensor[]]));
  inputs.forEach((input, i) => {
    const compute = gradients[i];
    if (input === undefined || compute == null || !active.has(input.value)) return;
    const share = fitted(node, i, input, compute());
    const shares = pending.get(input.value);
    if (shares) shares.push(share);
    else pending.set(input.value, [share]);
  });
}

function vjpContext(node: Node, outputs: readonly Tensor[], dys: readonly (Tensor | undefined)[]): VjpContext {
  return {
    attributes: attributesOf(node),
    node,
    outputCount: node.outputs.length,
    outputs,
    dys,
    get y() {
      return outputs[0] as Tensor;
    },
    get dy() {
      const dy = dys[0];
      if (dy === undefined) {
        throw new GlobalPercError(
          `${describeNode(node)}: only its further outputs are used, and they have no gradient`,
          { code: 'unsupported-operator' },
        );
      }
      return dy;
    },
  };
}

/** The sum of all gradients that reached a value; the sum replaces its terms. */
function accumulated(pending: Map<Value, Tensor[]>, value: Value): Tensor | undefined {
  const shares = pending.get(value);
  if (shares === undefined) return undefined;
  const total = shares.reduce((sum, share) => sum.add(share));
  pending.set(value, [total]);
  return total;
}

/** Sums a broadcast gradient to the input's shape; a wrong shape or dtype is a defect of the rule and names it. */
function fitted(node: Node, index: number, input: Tensor, share: Tensor): Tensor {
  const summed = sumTo(share, input.shape);
  if (share.dtype !== input.dtype || !sameShape(summed.shape, input.shape)) {
    throw new Error(
      `gradient rule of ${describeNode(node)}: input ${index} is ${input.dtype}[${input.shape}], ` +
        `its gradient ${share.dtype}[${share.shape}]`,
    );
  }
  return summed;
}

/** Undoes broadcasting: sums over the axes along which `shape` was repeated. */
function sumTo(tensor: Tensor, shape: Shape): Tensor {
  const added = tensor.rank - shape.length;
  if (added < 0) return tensor;
  const axes = tensor.shape.flatMap((dim, i) => (i < added || (shape[i - added] === 1 && dim !== 1) ? [i] : []));
  return axes.length === 0 ? tensor : tensor.sum(axes, true).reshape(shape);
}
