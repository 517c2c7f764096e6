/** Shape rules that several operators share. */
import {
  broadcastShapes,
  type DataType,
  GlobalPercError,
  ONNX_DTYPE,
  type Tensor,
  type TensorType,
} from '../../graph/index.js';
import type { InferContext, OpDefinition } from '../define.js';

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

/** The dtype with this number in TensorProto.DataType. */
export function dtypeNumbered(number: number): DataType {
  const found = Object.entries(ONNX_DTYPE).find(([, code]) => code === number);
  if (found === undefined) throw new GlobalPercError(`the ONNX data type ${number} is not supported`);
  return found[0] as DataType;
}
