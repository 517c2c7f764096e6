/** Shape rules that several operators share. */
import { broadcastShapes, type DataType, type Tensor, type TensorType } from '../graph/index.js';
import type { InferContext, OpDefinition } from './define.js';

type Infer = OpDefinition['infer'];

/** Elementwise: broadcast shape, dtype of the first input. */
export const broadcast = (_: InferContext, ...inputs: Tensor[]): TensorType => ({
  dtype: (inputs[0] as Tensor).dtype,
  shape: broadcastShapes(...inputs.map((input) => input.shape)),
});

/** Same type as the first input. */
export const sameAsInput: Infer = (_, x) => ({ dtype: x.dtype, shape: x.shape });

/** Broadcast shape with a fixed dtype, for comparisons. */
export const broadcastAs =
  (dtype: DataType): Infer =>
  (_, ...inputs) => ({ dtype, shape: broadcastShapes(...inputs.map((input) => input.shape)) });
