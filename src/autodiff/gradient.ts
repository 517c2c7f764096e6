/**
 * Reverse-mode differentiation of a static graph: appends the nodes that compute the gradient.
 * Summing broadcast gradients and adding up several uses happens here and nowhere else.
 */
import {
  attributesOf,
  describeNode,
  GlobalPercError,
  type Graph,
  isDifferentiable,
  type Node,
  type Shape,
  sameShape,
  Tensor,
  type Value,
} from '../graph/index.js';
import { operatorOf, type VjpContext } from '../ops/index.js';

/**
 * Gradients of a scalar with respect to some tensors of the same graph, appended to that graph.
 * A tensor the loss does not depend on gets zeros.
 * @throws GlobalPercError before anything is appended, when the gradient must pass an operator that has no rule.
 */
export function gradient(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.size !== 1) throw new GlobalPercError(`a gradient needs a scalar loss, got shape [${loss.shape}]`);
  const { graph } = loss;
  const path = nodesOnPath(graph, loss.value, new Set(wrt.map((tensor) => tensor.value)));
  path.forEach(requireRule);

  const pending = new Map<Value, Tensor[]>([[loss.value, [graph.scalar(1, loss.dtype).expand(loss.shape)]]]);
  const takes = takersOf(path, wrt);
  for (const node of path.toReversed()) backward(graph, node, takes, pending);
  return wrt.map((tensor) => accumulated(pending, tensor.value) ?? tensor.zerosLike());
}

/** The nodes, in execution order, that both depend on `sources` through differentiable values and lead to `target`. */
function nodesOnPath(graph: Graph, target: Value, sources: ReadonlySet<Value>): Node[] {
  const dependent = new Set(sources);
  const forward = graph.nodes.filter((node) => {
    const depends = node.inputs.some((input) => input && dependent.has(input));
    if (!depends || isOpaque(node)) return false;
    for (const output of node.outputs) if (output && carriesGradient(output)) dependent.add(output);
    return true;
  });
  const needed = new Set([target]);
  return forward
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => output && needed.has(output))) return false;
      for (const input of node.inputs) if (input && dependent.has(input)) needed.add(input);
      return true;
    })
    .toReversed();
}

const carriesGradient = ({ dtype, detached }: Value): boolean =>
  dtype !== undefined && isDifferentiable(dtype) && detached === undefined;

/** Known operators without a rule (comparisons, rounding, shapes) stop the gradient; unknown ones are an error. */
const isOpaque = (node: Node): boolean => {
  const operator = operatorOf(node);
  return operator !== undefined && operator.vjp === undefined;
};

function requireRule(node: Node): void {
  if (operatorOf(node)?.vjp === undefined) {
    throw new GlobalPercError(
      `${describeNode(node)}: this operator has no gradient rule, and the gradient must pass through it; ` +
        'hook only modules before it, or export the model without it',
    );
  }
}

/** Tells whether a gradient goes to an input of a node. */
type Takers = (node: Node, index: number) => boolean;

function takersOf(path: readonly Node[], wrt: readonly Tensor[]): Takers {
  const active = new Set<Value | undefined>(wrt.map((tensor) => tensor.value));
  for (const node of path) for (const output of node.outputs) if (output) active.add(output);
  const brackets = straightThrough(path, active);
  return (node, index) => active.has(node.inputs[index]) && !brackets.has(node);
}

/**
 * The brackets of x + (q − x) where q has no gradient (rounded, or taken from a codebook): PyTorch's straight-through
 * estimator, in which the bracket is detached. That is not in a file, and the gradient would always be 0 without it.
 */
function straightThrough(path: readonly Node[], active: ReadonlySet<Value | undefined>): ReadonlySet<Node> {
  const isBracket = ({ op, inputs: [q, x] }: Node): boolean => op === 'Sub' && !active.has(q) && active.has(x);
  const brackets = new Map(path.filter(isBracket).map((node) => [node.outputs[0], node]));
  for (const { op, inputs } of path) {
    for (const [i, input] of inputs.entries()) {
      const x = brackets.get(input)?.inputs[1];
      if (x && !(op === 'Add' && inputs[1 - i] === x)) brackets.delete(input);
    }
  }
  return new Set(brackets.values());
}

/** Applies the rule of one node and hands each input its share. */
function backward(graph: Graph, node: Node, takes: Takers, pending: Map<Value, Tensor[]>): void {
  const dys = node.outputs.map((output) => output && accumulated(pending, output));
  const rule = operatorOf(node)?.vjp;
  if (rule === undefined || dys.every((dy) => dy === undefined)) return;
  const inputs = node.inputs.map((input) => input && new Tensor(graph, input));
  const outputs = node.outputs.map((output) => output && new Tensor(graph, output));
  const gradients = rule(vjpContext(node, outputs as Tensor[], dys), ...(inputs as [Tensor, ...Tensor[]]));
  inputs.forEach((input, i) => {
    const compute = gradients[i];
    if (input === undefined || compute == null || !takes(node, i)) return;
    const share = checked(node, i, input, compute());
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
function checked(node: Node, index: number, input: Tensor, share: Tensor): Tensor {
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
