/**
 * Where the axes lie. Keras has feature maps as [B, H, W, C], this library as [B, C, H, W]: between modules every tensor of
 * rank 4 is [B, C, H, W], and any other as Keras has it. Layers that work on the last axis of Keras turn them and back.
 */
import type { Tensor } from '../../../index.js';

type Emit = Tensor['graph']['emit'];

/** Attributes of a node. */
export type Attributes = NonNullable<Parameters<Emit>[2]>;

export const float = (value: number) => ({ kind: 'float', value }) as const;
export const ints = (value: readonly number[]) => ({ kind: 'ints', value }) as const;
export const string = (value: string) => ({ kind: 'string', value }) as const;

/** The first output of an operator of ONNX. */
export const emit = (
  op: string,
  inputs: readonly [Tensor, ...(Tensor | undefined)[]],
  attributes: Attributes = {},
): Tensor => inputs[0].graph.emit(op, inputs, attributes)[0] as Tensor;

/** Where an axis of Keras lies. */
export function axisOf(axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  return rank === 4 ? ([0, 2, 3, 1][counted] as number) : counted;
}

/** A tensor in Keras' order. */
export const toKeras = (x: Tensor): Tensor => (x.rank === 4 ? x.transpose([0, 2, 3, 1]) : x);

/** A tensor of Keras' order in ours. */
export const fromKeras = (x: Tensor): Tensor => (x.rank === 4 ? x.transpose([0, 3, 1, 2]) : x);

/** Reshapes every sample, in Keras' order. The batch is copied from x, so that an exported file takes any. */
export const reshapeSamples = (x: Tensor, shape: readonly number[]): Tensor =>
  fromKeras(emit('Reshape', [toKeras(x), x.graph.ints([0, ...shape])]));
