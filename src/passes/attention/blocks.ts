/** Attention by blocks of scores: as many heads as a block holds, or some of the queries of one. */
import { bytesPerElement, concat, type Shape, sizeOf, type Tensor } from '../../graph/index.js';
import { differenceOf, type Heads, type Output, turned, turnedBack, weightsOf } from './heads.js';

/** From (inclusive) and to (exclusive). */
type Range = readonly [from: number, to: number];

/** Which of ∂q, ∂k and ∂v are wanted. */
export type Wanted = readonly boolean[];

export class BlockedAttention {
  private readonly heads: Heads;
  /** Heads that are computed together: a range of each axis in front of the last two. */
  private readonly groups: readonly (readonly Range[])[];
  /** The queries of each block of a group. */
  private readonly queries: readonly Range[];

  /** @param bytes of a block of scores of several heads, and of one: about so many, and at least one row of them. */
  constructor(heads: Heads, bytes: Readonly<Record<'heads' | 'queries', number>>) {
    const { q, k } = heads;
    const row = k.dim(-1) * bytesPerElement(q.dtype);
    this.heads = heads;
    this.groups = groupsOf(q.shape.slice(0, -2), bytes.heads / (q.dim(-2) * row));
    this.queries = ranges(q.dim(-2), bytes.queries / row);
  }

  /** As `Attention`. */
  output(): Tensor {
    const { q, k, v, biases, scale } = this.heads;
    const turnedKeys = turnedBack(k);
    const groups = this.groups.map((group) => {
      const [keys, values] = [turned(part(turnedKeys, group)), part(v, group)];
      const blocks = this.queries.map((range) => {
        const block = [...group, range];
        const weights = weightsOf(part(q, block).mul(scale), keys, parts(biases, block, q.rank));
        return weights.matmul(values);
      });
      return concat(blocks, -2);
    });
    return joined(groups, [...q.shape.slice(0, -1), v.dim(-1)]);
  }

  /** ∂q, ∂k and ∂v, as far as they are wanted, with weights that are computed again. */
  gradient(output: Output, wanted: Wanted): (Tensor | undefined)[] {
    const { q, k, v } = this.heads;
    const keys = turnedBack(k);
    const turn = new Turn(output.dy);
    const groups = this.groups.map((group) => this.ofGroup(group, { ...output, keys }, wanted, turn));
    const [dq, dk, dv] = [q, keys, v].map((x, i) => {
      const own = groups.flatMap((gradients) => gradients[i] ?? []);
      return own.length === 0 ? undefined : joined(own, x.shape);
    });
    return [dq, dk && turned(dk), dv];
  }

  private ofGroup(
    group: readonly Range[],
    given: Output & { readonly keys: Tensor },
    [wantsQ, wantsK, wantsV]: Wanted,
    turn: Turn,
  ): readonly (Tensor | undefined)[] {
    const { q, v, biases, scale } = this.heads;
    const [keys, values] = [part(given.keys, group), part(v, group)];
    const dq: Tensor[] = [];
    let dk: Tensor | undefined;
    let dv: Tensor | undefined;
    for (const range of this.queries) {
      const block = [...group, range];
      const dy = part(given.dy, block);
      const [left, right] = differenceOf({ dy, y: part(given.y, block) }, values);
      const scaled = part(q, block).mul(turn.number(scale));
      const weights = weightsOf(scaled, turned(keys), parts(biases, block, q.rank));
      const ofScores = weights.mul(left.matmul(turned(right)));
      if (wantsQ) dq.push(ofScores.matmul(keys).mul(scale));
      if (wantsK) dk = added(dk, turned(ofScores).matmul(scaled));
      if (wantsV) dv = added(dv, turned(weights).matmul(dy));
      turn.end(dq.at(-1), dk, dv);
    }
    return [wantsQ ? concat(dq, -2) : undefined, dk, dv];
  }
}

/** 0 … count in parts of at most so many, or one, as equal as can be. */
function ranges(count: number, most: number): Range[] {
  const number = Math.ceil(count / Math.min(Math.max(Math.floor(most), 1), count));
  const edge = (i: number): number => Math.floor((i * count) / number);
  return Array.from({ length: number }, (_, i) => [edge(i), edge(i + 1)]);
}

/** Heads in groups of at most so many, or one, that lie one behind the other. */
function groupsOf([size, ...inner]: Shape, most: number): Range[][] {
  if (size === undefined) return [[]];
  const count = sizeOf(inner);
  if (count <= most)
    return ranges(size, most / count).map((range) => [range, ...inner.map((each): Range => [0, each])]);
  const behind = groupsOf(inner, most);
  return ranges(size, 1).flatMap((range) => behind.map((group) => [range, ...group]));
}

/** Some of a tensor along its first axes; where it has 1 element to repeat, that. What is one matrix is given without axes of 1, as products read it. */
function part(x: Tensor, block: readonly Range[]): Tensor {
  const cuts = block.flatMap(([from, to], axis) =>
    x.dim(axis) === 1 || to - from === x.dim(axis) ? [] : [{ axis, from, to }],
  );
  const cut =
    cuts.length === 0
      ? x
      : x.slice(
          cuts.map(({ axis }) => axis),
          cuts.map(({ from }) => from),
          cuts.map(({ to }) => to),
        );
  return sizeOf(cut.shape.slice(0, -2)) === 1 ? cut.reshape(cut.shape.slice(-2)) : cut;
}

/** The same of tensors that lack axes in front. */
const parts = (tensors: readonly Tensor[], block: readonly Range[], rank: number): Tensor[] =>
  tensors.map((x) => part(x.unsqueeze(Array.from({ length: rank - x.rank }, (_, i) => i)), block));

/** Groups of heads, one behind the other. */
function joined(groups: readonly Tensor[], shape: Shape): Tensor {
  const [only] = groups;
  if (groups.length === 1 && only) return only.reshape(shape);
  const [axis, ...others] = shape.slice(0, -2).flatMap((dim, i) => (dim === 1 ? [] : [i]));
  if (axis !== undefined && others.length === 0)
    return concat(
      groups.map((x) => x.reshape(shape.with(axis, -1))),
      axis,
    );
  const rows = groups.map((x) => x.reshape([-1, ...shape.slice(-2)]));
  return concat(rows, 0).reshape(shape);
}

const added = (sum: Tensor | undefined, term: Tensor): Tensor => sum?.add(term) ?? term;

/**
 * Blocks take turns: the scale of the next one is there only when the gradients of the last one are, and that of the first when dy
 * is. Else weights might be computed with those of the forward pass, or all at once, and be kept.
 */
class Turn {
  private before: readonly Tensor[];

  constructor(first: Tensor) {
    this.before = [first];
  }

  /** A number that exists after the last turn. Whatever was computed there, the choice is between the number and itself. */
  number(value: number): Tensor {
    const [{ graph, dtype }] = this.before as [Tensor];
    const number = graph.scalar(value, dtype);
    return this.before.reduce((chosen, x) => {
      const axes = x.shape.map((_, axis) => axis);
      const fill = (edge: number): number[] => axes.map(() => edge);
      return x.slice(axes, fill(0), fill(1)).reshape([]).greater(0).where(number, chosen);
    }, number);
  }

  end(...gradients: readonly (Tensor | undefined)[]): void {
    this.before = gradients.filter((x) => x !== undefined);
  }
}
