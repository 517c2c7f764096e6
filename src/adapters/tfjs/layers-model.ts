/** A layers model of TensorFlow.js as a teacher. */
import type * as tf from '@tensorflow/tfjs';
import { GlobalPercError, loadModel, type Model, toOnnx } from '../../index.js';
import { type Checks, checkOptions, listOf, number } from '../../options/index.js';
import { translate } from './layers/network.js';

/** Options of `fromLayersModel`. */
export interface FromLayersModelOptions {
  /**
   * Shape of the images, `[B, C, H, W]`. Default: what the model declares, 224 where it leaves a side open. Needed only
   * where a side is open and the layers do not take 224.
   */
  readonly input?: readonly number[];
}

const OPTIONS: Checks<FromLayersModelOptions> = { input: listOf(number()) };

/** What a side counts that the model leaves open. */
const OPEN_SIDE = 224;

/**
 * Makes a teacher of a model of Keras layers (`tf.loadLayersModel`, `tf.sequential`, `tf.model`), as it is in inference and
 * with its present weights, which are copied: the model may be trained on or disposed of afterwards.
 *
 * Images are `[B, C, H, W]` as for every model of this library, where the Keras model has `[B, H, W, C]`, and so are all
 * activations of rank 4; others keep the order that Keras gives them. Any batch is accepted, and any image size that the
 * layers allow, even where Keras declares one.
 *
 * Modules have the names of the Keras layers as paths, `outer.inner` in nested models, and PyTorch's classes: a `Conv2D` is
 * a `Conv2d`, a `Dense` a `Linear`; layers without counterpart keep their class (`Add`, `Concatenate`). A layer with an
 * activation of its own, `conv1`, holds two modules, `conv1.conv` and `conv1.activation`; so a class chooses the
 * convolution before its activation, and the pattern `/^conv1$/` what the Keras layer returns. Layers that do nothing in
 * inference, such as `Dropout`, are no modules.
 *
 * @example
 * const teacher = await fromLayersModel(await tf.loadLayersModel(url));
 * const loss = new GlobalPercLoss(teacher, new GlobalPercConfig({ modulesToHook: [nn.Conv2d] }));
 *
 * @throws GlobalPercError naming the layer, for a class or an argument that is not supported; where the model is not built,
 * has several inputs or none for images.
 */
export async function fromLayersModel(model: tf.LayersModel, options: FromLayersModelOptions = {}): Promise<Model> {
  const { input: wanted } = checkOptions(options, OPTIONS, 'fromLayersModel');
  const input = imageShape(model, wanted);
  return loadModel(await toOnnx(await translate(model), { input }));
}

/** The shape to trace the model with. @throws GlobalPercError where the model takes no such image. */
function imageShape(model: tf.LayersModel, wanted: readonly number[] | undefined): readonly number[] {
  const { inputs, layers } = model ?? {};
  if (!Array.isArray(layers) || typeof model.getClassName !== 'function') {
    throw new GlobalPercError(
      'fromLayersModel takes a model of Keras layers, as tf.loadLayersModel, tf.sequential and tf.model give; ' +
        'a graph model (tf.loadGraphModel) has no layers: convert the original to ONNX and use loadModel',
      { code: 'invalid-argument' },
    );
  }
  const [image, ...others] = inputs ?? [];
  if (image === undefined) {
    throw new GlobalPercError(
      `model '${model.name}' is not built yet: give its first layer an inputShape, e.g. [224, 224, 3]`,
      { code: 'invalid-model' },
    );
  }
  const declared = `[${image.shape.map((dim) => dim ?? 'null').join(', ')}]`;
  if (others.length > 0 || image.shape.length !== 4 || image.dtype !== 'float32') {
    throw new GlobalPercError(
      `model '${model.name}' should have one input for images, float32 [B, H, W, C]; it has ${inputs.length}, ` +
        `the first ${image.dtype} ${declared}`,
      { code: 'invalid-model' },
    );
  }
  const [, height, width, channels] = image.shape;
  if (wanted === undefined) return [1, channels as number, height ?? OPEN_SIDE, width ?? OPEN_SIDE];
  const expected = [null, channels, height, width];
  const fits =
    wanted.length === 4 && wanted.every((dim, i) => dim > 0 && Number.isInteger(dim) && (expected[i] ?? dim) === dim);
  if (fits) return wanted;
  throw new GlobalPercError(
    `input should be a shape [B, C, H, W] that fits ${declared} of model '${model.name}' ([B, H, W, C]), got [${wanted}]`,
    { code: 'invalid-option' },
  );
}
