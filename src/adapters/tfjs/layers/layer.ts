/** A Keras layer as it is read, before it becomes a module. */
import type * as tf from '@tensorflow/tfjs';
import { GlobalPercError, type nn } from '../../../index.js';

/** One weight in Keras' order. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What converters know of a layer. */
export interface KerasLayer<Config = Readonly<Record<string, unknown>>> {
  readonly name: string;
  /** Class in Keras, e.g. `Conv2D`. */
  readonly className: string;
  /** Arguments, as `getConfig` gives them. */
  readonly config: Config;
  /** By Keras' name, e.g. `kernel`. */
  readonly weights: Readonly<Record<string, Weight>>;
  /** Shape of the first input in Keras' order, null where it is open. */
  readonly inputShape: readonly (number | null)[];
}

/** Makes the module of a layer; it takes and returns tensors in the order of `layout.ts`. */
export type Converter = (layer: KerasLayer<never>) => nn.Module;

/** @throws GlobalPercError naming the layer. */
export function refuse({ name, className }: Pick<KerasLayer, 'name' | 'className'>, problem: string): never {
  throw new GlobalPercError(`Keras layer '${name}' (${className}): ${problem}`, { code: 'unsupported-operator' });
}

/** Reads a layer of a built model; its weights are copied. @throws GlobalPercError where they are disposed. */
export async function readLayer(layer: tf.layers.Layer): Promise<KerasLayer> {
  const [name, className] = [layer.name, layer.getClassName()];
  const read = (variable: tf.LayerVariable): tf.Tensor => {
    try {
      return variable.read();
    } catch {
      return refuse({ name, className }, `its weight '${variable.originalName}' was disposed`);
    }
  };
  const weights = await Promise.all(
    layer.weights.map(async (variable) => {
      const tensor = read(variable);
      const weight: Weight = { shape: tensor.shape, data: Float32Array.from(await tensor.data()) };
      return [variable.originalName.split('/').at(-1), weight] as const;
    }),
  );
  const inputShape = layer.inboundNodes[0]?.inputTensors[0]?.shape ?? [];
  return { name, className, config: layer.getConfig(), weights: Object.fromEntries(weights), inputShape };
}

/** The elements of a weight with its axes in another order, for a kernel HWIO → OIHW `[3, 2, 0, 1]`. */
export function permuted({ shape, data }: Weight, order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  const [sizes, steps] = [order.map((axis) => shape[axis] as number), order.map((axis) => strides[axis] as number)];
  const result = new Float32Array(data.length);
  let place = 0;
  const visit = (axis: number, offset: number): void => {
    if (axis === sizes.length) {
      result[place++] = data[offset] as number;
      return;
    }
    for (let i = 0; i < (sizes[axis] as number); i += 1) visit(axis + 1, offset + i * (steps[axis] as number));
  };
  visit(0, 0);
  return result;
}

/** Gives a module its weight, in its own order, and its bias if it has one. */
export function holding<Module extends { readonly weight: nn.Parameter; readonly bias: nn.Parameter | undefined }>(
  module: Module,
  weight: Float32Array,
  bias: Weight | undefined,
): Module {
  module.weight.data = weight;
  if (module.bias && bias) module.bias.data = bias.data;
  return module;
}
