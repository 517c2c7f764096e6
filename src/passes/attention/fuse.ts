/**
 * Finds attention in a graph before it is differentiated: softmax(scale·q·k + biases)·v becomes one node, whose gradient needs no
 * scores of the forward pass.
 */
import {
  broadcastShapes,
  type Graph,
  INTERNAL_DOMAIN,
  makeNode,
  makeValue,
  type Node,
  normalizeAxis,
  numbersOf,
  readersOf,
  type Shape,
  sameShape,
  sizeOf,
  typedArray,
  type Value,
} from '../../graph/index.js';
import { attentionAttributes } from '../../ops/index.js';

/** What the scores are made of. */
interface Scores {
  readonly query: Value;
  /** As the product reads it, `[…, E, M]`. */
  readonly key: Value;
  readonly scale: number;
  readonly biases: readonly Value[];
}

/** The node of a value that one other node reads, of others nothing. Outputs of a graph are read by the Identity that names them. */
type Private = (value: Value | undefined) => Node | undefined;

/**
 * Puts a node in the place of every product that ends attention; what was computed on the way to it stays behind, unread. Attention
 * whose scores or weights something else reads, a hook for instance, stays as it is.
 */
export function fuseAttention(graph: Graph): void {
  const readers = readersOf(graph);
  const producerOf: Private = (value) => (value && readers.get(value)?.length === 1 ? value.producer : undefined);
  graph.nodes = graph.nodes.flatMap((node) => fused(graph, node, producerOf) ?? [node]);
}

/** The node in the place of a product, behind those that make masks biases. */
function fused(graph: Graph, node: Node, producerOf: Private): Node[] | undefined {
  const [weights, value] = node.inputs;
  if (node.op !== 'MatMul' || !weights || !value || !sameHeads(weights, value)) return undefined;
  const masks: Node[] = [];
  const softmax = softmaxOf(producerOf(weights), producerOf);
  const scores = softmax && scoresOf(graph, softmax.inputs[0], producerOf, masks);
  // A bias of that size would have to be kept in the place of the weights.
  const isLarge = (bias: Value): boolean => !isConstant(bias) && sizeOf(shapeOf(bias)) === sizeOf(shapeOf(weights));
  if (!scores || scores.biases.some(isLarge)) return undefined;
  const { query, key, scale, biases } = scores;
  return [
    ...masks,
    makeNode({
      ...node,
      op: 'Attention',
      domain: INTERNAL_DOMAIN,
      inputs: [query, key, value, ...biases],
      attributes: attentionAttributes(scale),
    }),
  ];
}

/** Or is so once constants are folded. */
const isConstant = ({ constant, producer }: Value): boolean =>
  constant !== undefined || (producer?.inputs.every((input) => input?.constant) ?? false);

const shapeOf = ({ shape }: Value): Shape => shape ?? [];

/** Whether two stacks of matrices are of equal rank, two or more, and of equal dimensions in front. */
const sameHeads = (a: Value, b: Value): boolean =>
  shapeOf(a).length > 1 && sameShape(shapeOf(a).slice(0, -2), shapeOf(b).slice(0, -2));

/** Whether it gives what it is given: a Cast to the type that is there, too. */
const isIdle = ({ op, inputs: [x], outputs: [y] }: Node): boolean =>
  op === 'Identity' || op === 'Dropout' || (op === 'Cast' && x?.dtype === y?.dtype);

/** A softmax over the last axis, behind what does nothing. */
function softmaxOf(node: Node | undefined, producerOf: Private): Node | undefined {
  if (node && isIdle(node)) return softmaxOf(producerOf(node.inputs[0]), producerOf);
  if (node?.op !== 'Softmax') return undefined;
  const { axis } = node.attributes;
  const { length: rank } = shapeOf(node.outputs[0] as Value);
  return normalizeAxis(axis?.kind === 'int' ? axis.value : -1, rank) === rank - 1 ? node : undefined;
}

/** The product behind scores, and what they were multiplied by and added to on the way. */
function scoresOf(graph: Graph, value: Value | undefined, producerOf: Private, masks: Node[]): Scores | undefined {
  const node = producerOf(value);
  const [a, b, c] = node?.inputs ?? [];
  if (!node || !value || !a) return undefined;
  const behind = (scores: Value | undefined): Scores | undefined =>
    scores && sameShape(shapeOf(scores), shapeOf(value)) ? scoresOf(graph, scores, producerOf, masks) : undefined;
  const biased = (scores: Value, bias: Value): Scores | undefined => {
    const found = behind(scores);
    return found && { ...found, biases: [...found.biases, ...(isZero(bias) ? [] : [unexpanded(bias)])] };
  };
  if (isIdle(node)) return behind(a);
  if (node.op === 'MatMul' && b) return product(a, b);
  if (node.op === 'Add' && b) return biased(a, b) ?? biased(b, a);
  if (node.op === 'Where' && b && c) return hidden(graph, node, masks, biased);
  const [scores, factor] = scaledBy(node) ?? [];
  const found = behind(scores);
  return found && factor !== undefined && found.biases.length === 0
    ? { ...found, scale: found.scale * factor }
    : undefined;
}

/** The scores of a product of queries and keys, without the factor that either may bear. */
function product(a: Value, b: Value): Scores | undefined {
  if (!sameHeads(a, b)) return undefined;
  const [query, onQuery] = unscaled(a);
  const [key, onKey] = unscaled(b);
  return { query, key, scale: onQuery * onKey, biases: [] };
}

function unscaled(value: Value): readonly [Value, number] {
  const [source, factor] = (value.producer && scaledBy(value.producer)) ?? [];
  return source && factor !== undefined && sameShape(shapeOf(source), shapeOf(value)) ? [source, factor] : [value, 1];
}

/** As exporters write where PyTorch's product has a summand that does not count. */
const isZero = ({ constant }: Value): boolean =>
  constant !== undefined && typedArray(constant.dtype, constant.bytes).every((value) => Number(value) === 0);

/** What is repeated is repeated where it is added, too. */
const unexpanded = (bias: Value): Value => (bias.producer?.op === 'Expand' ? (bias.producer.inputs[0] as Value) : bias);

/** The tensor and the constant number that it is multiplied by. */
function scaledBy({ op, inputs: [a, b] }: Node): readonly [Value, number] | undefined {
  if (!a || !b || (op !== 'Mul' && op !== 'Div')) return undefined;
  const [left, right] = [numberIn(a), numberIn(b)];
  if (right !== undefined) return [a, op === 'Mul' ? right : 1 / right];
  return left !== undefined && op === 'Mul' ? [b, left] : undefined;
}

const numberIn = ({ constant }: Value): number | undefined =>
  constant && sizeOf(constant.shape) === 1 ? numbersOf(constant)[0] : undefined;

/** Scores that are minus infinity under a mask, as a bias. Another number would not be the same where it hides a whole row. */
function hidden(
  graph: Graph,
  { name, inputs: [mask, ...branches], outputs, modulePath }: Node,
  masks: Node[],
  biased: (scores: Value, bias: Value) => Scores | undefined,
): Scores | undefined {
  const place = branches.findIndex((branch) => branch && numberIn(branch) === Number.NEGATIVE_INFINITY);
  const [fill, scores] = [branches[place], branches[1 - place]];
  const dtype = outputs[0]?.dtype;
  if (!mask || !fill || !scores || !dtype) return undefined;
  const { value: zero } = graph.scalar(0, dtype);
  const { node, value } = makeValue('Where', `${name}.bias`, [mask, ...(place === 0 ? [fill, zero] : [zero, fill])]);
  Object.assign(value, { dtype, shape: broadcastShapes(shapeOf(mask), shapeOf(fill)) });
  const found = biased(scores, value);
  if (found) masks.push(Object.assign(node, { modulePath }));
  return found;
}
