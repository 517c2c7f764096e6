/** The formulas of attention, of all scores or of some. */
import { attributesOf, concat, type Node, Tensor, type Value } from '../../graph/index.js';

/** What attention computes with, as in `ops/attention.ts`. */
export interface Heads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly biases: readonly Tensor[];
  readonly scale: number;
}

/** The heads that a node is given as q, k, v, and biases. */
export const headsOf = (node: Node, [q, k, v, ...biases]: readonly Tensor[]): Heads => ({
  q: q as Tensor,
  k: k as Tensor,
  v: v as Tensor,
  biases,
  scale: attributesOf(node).float('scale', 1),
});

/** P = softmax(q·k + Σ biases), q scaled already. */
export const weightsOf = (q: Tensor, k: Tensor, biases: readonly Tensor[]): Tensor =>
  biases.reduce((sum, bias) => sum.add(bias), q.matmul(k)).softmax(-1);

/** P·v */
export const attended = ({ q, k, v, biases, scale }: Heads): Tensor => weightsOf(q.mul(scale), k, biases).matmul(v);

/** The last two axes swapped. */
export const turned = (x: Tensor): Tensor => x.swapAxes(-1, -2);

/** The same, of what a Transpose gives: of its input, so that there are no two of them. */
export function turnedBack(x: Tensor): Tensor {
  const { producer } = x.value;
  const perm = producer?.op === 'Transpose' ? producer.attributes.perm : undefined;
  if (perm?.kind !== 'ints') return turned(x);
  const order = [...perm.value.slice(0, -2), ...perm.value.slice(-2).reverse()];
  return new Tensor(x.graph, producer?.inputs[0] as Value).transpose(order);
}

/** The output and what comes back from it. */
export interface Output {
  readonly y: Tensor;
  readonly dy: Tensor;
}

/** dP − D = dy·vᵀ − D with D = Σ dy·y over the last axis is one product: that of [dy, −D] and [v, 1]ᵀ, which are these two. */
export const differenceOf = ({ y, dy }: Output, v: Tensor): [Tensor, Tensor] => [
  concat([dy, dy.mul(y).sum([-1], true).neg()], -1),
  concat([v, v.graph.scalar(1, v.dtype).expand([...v.shape.slice(0, -1), 1])], -1),
];

/** ∂q, ∂k, ∂v and those of biases with the weights of the forward pass: written alike, they are computed once. */
export function gradientOfKept({ q, k, v, biases, scale }: Heads, output: Output): Tensor[] {
  const [left, right] = differenceOf(output, v);
  const scaled = q.mul(scale);
  const weights = weightsOf(scaled, k, biases);
  const ofScores = weights.mul(left.matmul(turned(right)));
  return [
    ofScores.matmul(turnedBack(k)).mul(scale),
    turned(turned(ofScores).matmul(scaled)),
    turned(weights).matmul(output.dy),
    ...biases.map(() => ofScores),
  ];
}
