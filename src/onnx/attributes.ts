/** AttributeProto → attribute. */
import { type AttributeProto, AttributeProto_AttributeType as AttributeType } from 'onnx-buf';
import {
  type Attribute,
  type Attributes,
  type ConstantData,
  constantOf,
  float,
  floats,
  int,
  ints,
  string,
} from '../graph/index.js';
import { constantOfProto } from './tensors.js';

const decoder = new TextDecoder();

/** The attributes of a node, without subgraphs; exotic kinds become `unsupported`, so that they fail only if needed. */
export const attributesOfProto = (attributes: readonly AttributeProto[], where: string): Attributes =>
  Object.fromEntries(
    attributes.filter(({ g }) => !g).map((attribute) => [attribute.name, attributeOf(attribute, where)]),
  );

function attributeOf(proto: AttributeProto, where: string): Attribute {
  switch (proto.type) {
    case AttributeType.INT:
      return int(toNumber(proto.i));
    case AttributeType.FLOAT:
      return float(proto.f);
    case AttributeType.STRING:
      return string(decoder.decode(proto.s));
    case AttributeType.INTS:
      return ints(proto.ints.map(toNumber));
    case AttributeType.FLOATS:
      return floats(proto.floats);
    case AttributeType.STRINGS:
      return { kind: 'strings', value: proto.strings.map((text) => decoder.decode(text)) };
    case AttributeType.TENSOR:
      if (proto.t) return { kind: 'tensor', value: constantOfProto(proto.t, `${where}: attribute '${proto.name}'`) };
      break;
  }
  return { kind: 'unsupported', value: AttributeType[proto.type]?.toLowerCase() ?? 'unknown' };
}

/** "To the end" is written as the largest int64, which JavaScript numbers would round beyond the type's range. */
function toNumber(value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  return value < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : Number(value);
}

/** The value of a Constant node in any of its forms; `undefined` for strings and sparse tensors. */
export function constantOfAttributes({
  value,
  value_float,
  value_floats,
  value_int,
  value_ints,
}: Attributes): ConstantData | undefined {
  if (value?.kind === 'tensor') return value.value;
  if (value_float?.kind === 'float') return constantOf('float32', [], [value_float.value]);
  if (value_floats?.kind === 'floats') return constantOf('float32', [value_floats.value.length], value_floats.value);
  if (value_int?.kind === 'int') return constantOf('int64', [], [value_int.value]);
  if (value_ints?.kind === 'ints') return constantOf('int64', [value_ints.value.length], value_ints.value);
  return undefined;
}
