/** Half precision, which is read as float32: gradients are computed in that. */
import { type Attributes, int, ONNX_DTYPE } from '../graph/index.js';

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
