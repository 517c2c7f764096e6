/** A concrete float32 tensor. */
export interface ImageTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}
