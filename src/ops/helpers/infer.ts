/** Shape rules that several operators share. */
import {
  broadcastShapes,
  type DataType,
  GlobalPercError,
  normalizeAxis,
  ONNX_DTYPE,
  type Tensor,
  type TensorType,
} from '../../graph/index.js';
import type { InferContext, OpDefinition } from '../define.js';

type Infer = OpDefinition['infer'];

/** The dtype that all inputs have. @throws GlobalPercError where they differ: ONNX converts none by itself. */
export function commonDtype(...inputs: readonly Tensor[]): DataType {
  const [first, ...others] = inputs.map(({ dtype }) => dtype) as [DataType, ...DataType[]];
  const other = others.find((dtype) => dtype !== first);
  if (other === undefined) return first;
  const message = `inputs of one dtype are expected, got ${first} and ${other}: cast one with cast('${first}')`;
  throw new GlobalPercError(message, { code: 'invalid-argument' });
}

/** Elementwise: broadcast shape, dtype of the inputs. */
export const broadcast = (_: InferContext, ...inputs: Tensor[]): TensorType => ({
  dtype: commonDtype(...inputs),
  shape: broadcastShapes(...inputs.map((input) => input.shape)),
});

/** Same type as the first input. */
export const sameAsInput: Infer = (_, x) => ({ dtype: x.dtype, shape: x.shape });

/** Same type as the first input, which has the axis of the attribute. @param fallback Where there is none. */
export const alongAxis =
  (fallback: number): Infer =>
  ({ attributes }, x) => {
    if (x.rank === 0) throw new GlobalPercError('a number has no axis', { code: 'invalid-argument' });
    normalizeAxis(attributes.int('axis', fallback), x.rank);
    return { dtype: x.dtype, shape: x.shape };
  };

/** Broadcast shape with a fixed dtype, for comparisons. */
export const broadcastAs =
  (dtype: DataType): Infer =>
  (context, ...inputs) => ({ dtype, shape: broadcast(context, ...inputs).shape });

/** The dtype with this number in TensorProto.DataType. */
export function dtypeNumbered(number: number): DataType {
  const found = Object.entries(ONNX_DTYPE).find(([, code]) => code === number);
  if (found === undefined)
    throw new GlobalPercError(`the ONNX data type ${number} is not supported`, { code: 'unsupported-operator' });
  return found[0] as DataType;
}
