/** One image on its way down a loss. */
import type { EncodedTarget, Loss, TensorLike } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { batchOf } from '../engine/image.js';
import type { Point } from '../ui/chart-scale.js';
import { PixelAdam } from './adam.js';

export class Descent {
  readonly loss: Loss;
  private readonly target: ImageTensor;
  private readonly adam: PixelAdam;
  private readonly changing: boolean;
  private encoded: EncodedTarget | undefined;
  image: ImageTensor;
  /** The loss before each step. */
  readonly values: Point[] = [];

  /** @param changing whether the loss reads its target another way in each step. */
  constructor(loss: Loss, start: ImageTensor, target: ImageTensor, changing = false) {
    this.changing = changing;
    this.loss = loss;
    this.target = target;
    this.image = start;
    this.adam = new PixelAdam(start.data.length);
  }

  /** One step against the gradient. @throws GlobalPercError as the loss does; then the image is as before. */
  async step(lr: number): Promise<void> {
    const { value, grad } = await this.loss.valueAndGrad(batchOf(this.image), await this.read());
    this.values.push([this.values.length, value]);
    this.image = { dims: this.image.dims, data: this.adam.next(this.image.data, grad.data, lr) };
  }

  /** The target, read once where it can be. */
  private async read(): Promise<TensorLike | EncodedTarget> {
    if (this.changing) return batchOf(this.target);
    this.encoded ??= await this.loss.encode(batchOf(this.target));
    return this.encoded;
  }

  /** The losses, as shares of the first. */
  get shares(): readonly Point[] {
    const first = this.values[0]?.[1] ?? 1;
    return this.values.map(([step, value]): Point => [step, value / first]);
  }

  dispose(): Promise<void> {
    return this.loss.dispose();
  }
}
