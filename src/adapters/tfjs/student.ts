/** A model in one training step that runs it twice. */
import * as tf from '@tensorflow/tfjs';
import { GlobalPercError } from '../../index.js';
import { Replay } from './replay.js';

/** The runs may differ by this part of the largest output: rounding, no more. */
const RUNS_DIFFER_BY = 1e-3;

export class Student {
  private readonly model: tf.LayersModel;
  private readonly x: tf.Tensor | tf.Tensor[];
  private readonly replay = new Replay();
  /** Batch statistics and frozen weights, before the step. */
  private readonly buffers: readonly tf.Tensor[];
  private readonly outputs: tf.Tensor[] = [];

  constructor(model: tf.LayersModel, x: tf.Tensor | tf.Tensor[]) {
    this.model = model;
    this.x = x;
    this.buffers = model.nonTrainableWeights.map((weight) => weight.read().clone());
  }

  /** The output; nothing of the model changes. */
  predict(): tf.Tensor {
    try {
      return this.kept(tf.tidy(() => this.replay.record(() => this.forward())));
    } finally {
      this.restore();
    }
  }

  /**
   * Runs the model again and updates its trainable weights along `cotangent`, the loss's gradient for the output.
   * @throws GlobalPercError when this run differs from the first one; the model is as before then, and after any error.
   */
  async update(optimizer: tf.Optimizer, cotangent: tf.Tensor): Promise<void> {
    let gradients: ReturnType<tf.Optimizer['computeGradients']> | undefined;
    try {
      gradients = this.gradients(optimizer, cotangent);
      await this.requireSameOutputs();
      optimizer.applyGradients(gradients.grads);
    } catch (error) {
      this.restore();
      throw error;
    } finally {
      tf.dispose({ ...gradients });
    }
  }

  private gradients(optimizer: tf.Optimizer, cotangent: tf.Tensor): ReturnType<tf.Optimizer['computeGradients']> {
    const weights = this.model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    return optimizer.computeGradients(() => {
      const output = this.replay.repeat(() => this.forward());
      this.kept(tf.keep(output.clone()));
      const penalties = this.model.calculateLosses().map((penalty) => penalty.mean());
      return [output.mul(cotangent).sum(), ...penalties].reduce((sum, term) => sum.add(term)) as tf.Scalar;
    }, weights);
  }

  dispose(): void {
    tf.dispose([...this.buffers, ...this.outputs]);
  }

  private forward(): tf.Tensor {
    const output = this.model.apply(this.x, { training: true });
    if (output instanceof tf.Tensor) return output;
    throw new GlobalPercError(
      `tfStep trains models with one output; '${this.model.name}' has ${(output as []).length}`,
      { code: 'invalid-model' },
    );
  }

  private kept(output: tf.Tensor): tf.Tensor {
    this.outputs.push(output);
    return output;
  }

  private restore(): void {
    this.model.nonTrainableWeights.forEach((weight, i) => void weight.write(this.buffers[i] as tf.Tensor));
  }

  private async requireSameOutputs(): Promise<void> {
    const [first, second] = this.outputs as [tf.Tensor, tf.Tensor];
    const measured = tf.tidy(() => tf.stack([first.sub(second).abs().max(), first.abs().max()]));
    const [difference = 0, largest = 0] = await measured.data();
    measured.dispose();
    if (difference <= RUNS_DIFFER_BY * largest) return;
    throw new GlobalPercError(
      `tfStep runs the model twice, and the outputs differ by ${difference.toPrecision(2)}: await every step before the next ` +
        'one; where a layer draws random numbers by other means than Math.random, train with tfLoss in a Web Worker',
      { code: 'runtime' },
    );
  }
}
