/** Models of Keras layers as modules: which layer becomes what, and the order they are called in. */
import type * as tf from '@tensorflow/tfjs';
import { nn, Tensor } from '../../../index.js';
import { activationLayers } from './activation.js';
import { convolutionLayers } from './convolution.js';
import { denseLayers } from './dense.js';
import { type Converter, type KerasLayer, readLayer, refuse } from './layer.js';
import { mergeLayers } from './merge.js';
import { normalizationLayers } from './normalization.js';
import { poolingLayers } from './pooling.js';
import { shapeLayers } from './shape.js';

/** Every supported class of layer. */
const CONVERTERS: Readonly<Record<string, Converter>> = {
  ...convolutionLayers,
  ...denseLayers,
  ...normalizationLayers,
  ...activationLayers,
  ...poolingLayers,
  ...shapeLayers,
  ...mergeLayers,
};

type Layer = tf.layers.Layer;

/** Classes are known by name: a page may hold two copies of TensorFlow.js. */
const isModel = (layer: Layer): layer is tf.LayersModel => Array.isArray((layer as Partial<tf.LayersModel>).layers);

/** A model and the modules of its layers. A layer that is called twice is one module. */
abstract class Network<Model extends tf.LayersModel> extends nn.Module<Tensor[]> {
  protected readonly model: Model;
  private readonly modules: ReadonlyMap<Layer, nn.AnyModule>;

  constructor(model: Model, modules: ReadonlyMap<Layer, nn.AnyModule>) {
    super();
    this.model = model;
    this.modules = modules;
  }

  override get className(): string {
    return this.model.getClassName();
  }

  override namedChildren(): [string, nn.AnyModule][] {
    return Array.from(this.modules, ([{ name }, module]) => [name, module]);
  }

  protected run(layer: Layer, inputs: readonly Tensor[]): Tensor[] {
    const outputs = (this.modules.get(layer) as nn.AnyModule)(...inputs);
    return outputs instanceof Tensor ? [outputs] : [...outputs];
  }
}

class Sequential extends Network<tf.Sequential> {
  override forward(...inputs: Tensor[]): Tensor[] {
    return this.model.layers.reduce((values, layer) => this.run(layer, values), inputs);
  }
}

/** A graph of layers, walked from the inputs on; what is as far from the outputs is called in the order it was made in. */
class Functional extends Network<tf.LayersModel> {
  override forward(...inputs: Tensor[]): Tensor[] {
    const { inputs: given, outputs, nodesByDepth } = this.model;
    const values = new Map(given.map(({ id }, i) => [id, inputs[i] as Tensor]));
    const depths = Object.keys(nodesByDepth).sort((a, b) => Number(b) - Number(a));
    for (const node of depths.flatMap((depth) => nodesByDepth[depth] ?? [])) {
      if (node.outputTensors.every(({ id }) => values.has(id))) continue;
      const results = this.run(
        node.outboundLayer,
        node.inputTensors.map(({ id }) => values.get(id) as Tensor),
      );
      for (const [i, { id }] of node.outputTensors.entries()) values.set(id, results[i] as Tensor);
    }
    return outputs.map(({ id }) => values.get(id) as Tensor);
  }
}

/** The module of a built model. @throws GlobalPercError naming the first layer that is not supported. */
export const translate = (model: tf.LayersModel): Promise<nn.AnyModule> => translateLayer(model, new Map());

async function translateLayer(layer: Layer, known: Map<Layer, nn.AnyModule>): Promise<nn.AnyModule> {
  const before = known.get(layer);
  if (before) return before;
  const module = isModel(layer) ? await translateModel(layer, known) : await convert(layer);
  known.set(layer, module);
  return module;
}

async function translateModel(model: tf.LayersModel, known: Map<Layer, nn.AnyModule>): Promise<nn.AnyModule> {
  const modules = new Map<Layer, nn.AnyModule>();
  for (const layer of model.layers) modules.set(layer, await translateLayer(layer, known));
  return model.getClassName() === 'Sequential'
    ? new Sequential(model as tf.Sequential, modules)
    : new Functional(model, modules);
}

async function convert(layer: Layer): Promise<nn.AnyModule> {
  const [name, className] = [layer.name, layer.getClassName()];
  const converter = CONVERTERS[className];
  if (converter === undefined) {
    return refuse({ name, className }, `this class is not supported; there are ${Object.keys(CONVERTERS).join(', ')}`);
  }
  const read = await readLayer(layer);
  if (read.config.dataFormat === 'channelsFirst')
    refuse(read, "dataFormat 'channelsFirst' is not supported, only 'channelsLast'");
  return converter(read as KerasLayer<never>);
}
