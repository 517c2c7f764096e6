/** Half precision, which is read as float32: gradients are computed in that. */
import {
  type Attributes,
  bytesOf,
  type ConstantData,
  type DataType,
  halvesToFloats,
  int,
  ONNX_DTYPE,
  typedArray,
} from '../graph/index.js';

const isHalf = (dtype: DataType): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The type that stands for another. */
export const wide = (dtype: DataType): DataType => (isHalf(dtype) ? 'float32' : dtype);

/** A constant with float32 in place of half precision; what lies in a file is read, and widened, whenever it is asked for. */
export function widened(constant: ConstantData): ConstantData {
  if (!isHalf(constant.dtype)) return constant;
  const type = { dtype: 'float32', shape: constant.shape } as const;
  const bytes = (): Uint8Array => bytesOf(floatsOf(constant));
  if (constant.place === undefined) return { ...type, bytes: bytes() };
  return {
    ...type,
    of: constant,
    get bytes() {
      return bytes();
    },
  };
}

function floatsOf({ dtype, bytes }: ConstantData): Float32Array {
  const halves = typedArray(dtype, bytes) as Uint16Array;
  if (dtype === 'float16') return halvesToFloats(halves);
  // A bfloat16 is the upper half of a float32.
  const floats = new Float32Array(halves.length);
  const words = new Uint32Array(floats.buffer);
  for (let i = 0; i < halves.length; i += 1) words[i] = (halves[i] as number) << 16;
  return floats;
}

/** What operators call the type of what they give. */
const TYPES: Readonly<Record<string, string>> = {
  Cast: 'to',
  RandomNormal: 'dtype',
  RandomNormalLike: 'dtype',
  RandomUniform: 'dtype',
  RandomUniformLike: 'dtype',
  Bernoulli: 'dtype',
  EyeLike: 'dtype',
};

/** The attributes of a node of some operator, asking for float32 where they ask for half precision. */
export function wideAttributes(op: string, attributes: Attributes): Attributes {
  const name = TYPES[op];
  const asked = name === undefined ? undefined : attributes[name];
  const isNarrow = asked?.kind === 'int' && [ONNX_DTYPE.float16, ONNX_DTYPE.bfloat16].includes(asked.value);
  return name !== undefined && isNarrow ? { ...attributes, [name]: int(ONNX_DTYPE.float32) } : attributes;
}
