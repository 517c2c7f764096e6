/** Modules without weights or children. */
import { nn, type Tensor } from '../../../index.js';

/** A function of tensors as a module, under the class name that hooks see. */
export class Computed extends nn.Module {
  private override readonly name: string;
  private readonly compute: (...inputs: Tensor[]) => Tensor;

  constructor(name: string, compute: (...inputs: Tensor[]) => Tensor) {
    super();
    this.name = name;
    this.compute = compute;
  }

  override get className(): string {
    return this.name;
  }

  override forward(...inputs: Tensor[]): Tensor {
    return this.compute(...inputs);
  }
}
