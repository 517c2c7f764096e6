/** What cannot be differentiated as it stands: quantised models, sequences, sparse tensors. */
import { TensorProto_DataType as ElementType, type NodeProto } from 'onnx-buf';
import { GlobalPercError } from '../graph/index.js';

const QUANTISED_OPERATOR = /^(Q[A-Z]|Quantize|Dequantize|DynamicQuantize)|Integer|NBits|Bnb4|FpQ4|BlockQuantized/;
const SEQUENCE_OPERATOR = /^(Sequence|SplitToSequence|ConcatFromSequence|Optional)/;

const QUANTISED_TYPES: ReadonlySet<number> = new Set([
  ElementType.INT4,
  ElementType.UINT4,
  ElementType.INT2,
  ElementType.UINT2,
  ElementType.FLOAT4E2M1,
  ElementType.FLOAT8E4M3FN,
  ElementType.FLOAT8E4M3FNUZ,
  ElementType.FLOAT8E5M2,
  ElementType.FLOAT8E5M2FNUZ,
  ElementType.FLOAT8E8M0,
]);

const NEEDS_FLOAT32 = 'gradients need the float32 file, usually `model.onnx`';

/** Refuses a node that no gradient can pass. @throws GlobalPercError */
export function refuseNode(node: NodeProto, source: string): void {
  const what = `${source}: ${node.opType} '${node.name}'`;
  if (QUANTISED_OPERATOR.test(node.opType))
    throw new GlobalPercError(`${what}: the model is quantised; ${NEEDS_FLOAT32}`, { code: 'invalid-model' });
  if (SEQUENCE_OPERATOR.test(node.opType)) {
    throw new GlobalPercError(`${what}: sequences and optionals are not supported; export the model without them`, {
      code: 'unsupported-operator',
    });
  }
}

/** Refuses the element type of a weight. `where` names file and tensor. @throws GlobalPercError */
export function refuseElementType(type: number, where: string): void {
  if (QUANTISED_TYPES.has(type))
    throw new GlobalPercError(`${where} is ${ElementType[type]}, quantised; ${NEEDS_FLOAT32}`, {
      code: 'invalid-model',
    });
}
