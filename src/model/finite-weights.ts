/** Weights that are no numbers: told when a model is read, not when its loss is NaN. */
import {
  areFinite,
  byteLengthOf,
  type ConstantData,
  type DataType,
  GlobalPercError,
  type Node,
  sizeOf,
  typedArray,
  type Value,
} from '../graph/index.js';
import type { ModuleCall } from '../modules/index.js';
import type { Model } from './model.js';

/** Operators whose constant operands are weights: neither NaN nor infinity has a meaning there. */
const WEIGHTED = new Set([
  ...['Conv', 'ConvTranspose', 'DeformConv', 'MatMul', 'Gemm', 'PRelu', 'LSTM', 'GRU', 'RNN'],
  ...['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'GroupNormalization', 'RMSNormalization'],
]);

/**
 * Operators whose constants may be infinite, as in the masks of attention, but not NaN: it would reach the output. Where,
 * comparisons and the like are absent, for what they are given they need not pass on.
 */
const ARITHMETIC = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Operators that hand on the elements of their first input as they are. */
const MOVING = new Set(['Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Cast']);

/**
 * Bytes of weights that are read from the files they stay in: about half a second. Those of larger models are not: each would
 * be read once more than the loss itself needs; what is not finite there shows in the loss, which names its first hook.
 */
const READ_FROM_FILES = 2 ** 30;

/** A float constant of a node. */
type Weight = Value & { readonly constant: ConstantData };

/** @throws GlobalPercError naming the first weight of a model that holds NaN, or infinity where that has no meaning. */
export function requireFiniteWeights({ source, graph, calls }: Model): void {
  const checked = new Set<Value>();
  let fromFiles = 0;
  // Operators that allow less come first, so that a weight of several is read once.
  const nodes = [
    ...graph.nodes.filter(({ op }) => WEIGHTED.has(op)),
    ...graph.nodes.filter(({ op }) => ARITHMETIC.has(op)),
  ];
  for (const node of nodes) {
    for (const weight of weightsOf(node)) {
      const { name, constant } = weight;
      if (checked.has(weight)) continue;
      checked.add(weight);
      if (constant.place) fromFiles += byteLengthOf(constant);
      if (constant.place && fromFiles > READ_FROM_FILES) continue;
      const complaint = complaintAbout(constant, ARITHMETIC.has(node.op));
      if (complaint === undefined) continue;
      throw new GlobalPercError(
        `${source}: the weight '${name}'${ownerOf(node, calls)} holds ${complaint}; its training had diverged, or the file ` +
          'is damaged: export it again from a sound checkpoint',
        { code: 'not-finite' },
      );
    }
  }
}

/** The float constants that a node reads, also through operators that only move their elements. */
function weightsOf({ inputs }: Node): Weight[] {
  return inputs.flatMap((input) => {
    let value = input;
    while (value?.producer && MOVING.has(value.producer.op)) [value] = value.producer.inputs;
    const dtype = value?.constant?.dtype;
    return dtype === 'float32' || dtype === 'float64' ? [value as Weight] : [];
  });
}

/** `NaN (12 of its 864 values)`, if some are not allowed. */
function complaintAbout({ dtype, shape, bytes }: ConstantData, infinityAllowed: boolean): string | undefined {
  let [first, count] = [0, 0];
  if (allFinite(dtype, bytes)) return undefined;
  const values = typedArray(dtype, bytes) as Float32Array;
  // By index: an iterator takes seven times as long, which is seconds for a large model.
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    if (Number.isFinite(value) || (infinityAllowed && !Number.isNaN(value))) continue;
    if (count === 0) first = value;
    count += 1;
  }
  return count === 0 ? undefined : `${first} (${count} of its ${sizeOf(shape)} values)`;
}

/** Bytes that are looked at at once: weights in a file begin anywhere, and a copy of all of them would take longer than the look. */
const PART = 2 ** 16;

function allFinite(dtype: DataType, bytes: Uint8Array): boolean {
  const part = new Uint8Array(Math.min(PART, bytes.length));
  for (let start = 0; start < bytes.length; start += PART) {
    const next = bytes.subarray(start, start + PART);
    part.set(next);
    if (!areFinite(typedArray(dtype, part.subarray(0, next.length)) as Float32Array)) return false;
  }
  return true;
}

/** ` of layer1.0 (Conv2d)`: the innermost module around a node, if there is one. */
function ownerOf(node: Node, calls: readonly ModuleCall[]): string {
  const around = calls.filter(({ nodes }) => nodes.includes(node));
  const [inner] = around.sort((a, b) => b.path.length - a.path.length);
  return inner ? ` of ${inner.path} (${inner.class})` : '';
}
