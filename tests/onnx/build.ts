/** Builds small ONNX files of any operator set, as an exporter would. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as ElementType,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';

/** An attribute from a plain value: a string, an integer, `{ float }`, `{ floats }`, a list of integers, a tensor, or a graph. */
export type AttributeSpec =
  | string
  | number
  | readonly number[]
  | { float: number }
  | { floats: number[] }
  | { graph: ModelSpec }
  | TensorProto;

/** op (`domain:op` outside of the standard one), inputs, outputs, attributes */
export type NodeSpec = readonly [
  string,
  readonly string[],
  readonly string[],
  Readonly<Record<string, AttributeSpec>>?,
];

export interface ModelSpec {
  opset?: number;
  nodes: readonly NodeSpec[];
  inputs?: ValueInfoProto[];
  /** Floats by name, or of a type of their own. */
  outputs?: readonly (string | ValueInfoProto)[];
  initializers?: TensorProto[];
  /** `metadata_props` of nodes by their names. */
  metadata?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Anything else of the ModelProto. */
  more?: object;
}

/** Nodes are named after their operator and how many of it came before. */
function nodeProto([name, input, output, attributes = {}]: NodeSpec, index: number, all: readonly NodeSpec[]) {
  const [opType, domain = ''] = name.split(':').reverse() as [string, string?];
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
  return {
    opType,
    domain,
    name: `${opType}_${all.slice(0, index).filter(([op]) => op === name).length}`,
    input: [...input],
    output: [...output],
    attribute,
  };
}

/** The bytes of a model. */
export function modelBytes(spec: ModelSpec): Uint8Array {
  const { opset = 20, nodes, inputs = [], outputs = ['y'], initializers = [], more = {} } = spec;
  const model = {
    irVersion: 7n,
    opsetImport: [
      { domain: '', version: BigInt(opset) },
      ...(nodes.some(([op]) => op.startsWith('com.microsoft:')) ? [{ domain: 'com.microsoft', version: 1n }] : []),
    ],
    graph: graphOf({ nodes, inputs, outputs, initializers, ...(spec.metadata && { metadata: spec.metadata }) }),
    ...more,
  };
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, model as MessageInitShape<typeof ModelProtoSchema>));
}

function graphOf({ nodes, inputs = [], outputs = ['y'], initializers = [], metadata = {} }: ModelSpec) {
  const elemType = ElementType.FLOAT;
  return {
    name: 'test',
    node: nodes.map(nodeProto).map((node) => ({
      ...node,
      metadataProps: Object.entries(metadata[node.name] ?? {}).map(([key, value]) => ({ key, value })),
    })),
    input: inputs,
    output: outputs.map((name) =>
      typeof name === 'string' ? { name, type: { value: { case: 'tensorType' as const, value: { elemType } } } } : name,
    ),
    initializer: initializers,
  };
}

/** A graph input; a string stands for an open dimension, the empty one for a nameless one. */
export function input(name: string, dims: readonly (number | string)[], elemType = ElementType.FLOAT): ValueInfoProto {
  const dim = dims.map((size) => ({
    value:
      typeof size === 'number'
        ? ({ case: 'dimValue', value: BigInt(size) } as const)
        : size === ''
          ? ({ case: undefined } as const)
          : ({ case: 'dimParam', value: size } as const),
  }));
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: { elemType, shape: { dim } } } });
  return create(ValueInfoProtoSchema, { name, type });
}

/** A tensor with any of its data fields. */
export const tensor = (
  name: string,
  dataType: ElementType,
  dims: readonly number[],
  data: Omit<MessageInitShape<typeof TensorProtoSchema>, '$typeName'>,
): TensorProto =>
  create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), ...data } as MessageInitShape<
    typeof TensorProtoSchema
  >);

/** A float tensor in `float_data`. */
export const floatTensor = (name: string, dims: readonly number[], floatData: number[]): TensorProto =>
  tensor(name, ElementType.FLOAT, dims, { floatData });

/** A vector of int64 in `int64_data`. */
export const intTensor = (name: string, values: readonly number[]): TensorProto =>
  tensor(name, ElementType.INT64, [values.length], { int64Data: values.map(BigInt) });

function attributeProto(name: string, value: AttributeSpec): AttributeProto {
  const init = (fields: object): AttributeProto => create(AttributeProtoSchema, { name, ...fields });
  if (typeof value === 'string') return init({ type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  if (typeof value === 'number') return init({ type: AttributeType.INT, i: BigInt(value) });
  if ('float' in value) return init({ type: AttributeType.FLOAT, f: value.float });
  if ('floats' in value) return init({ type: AttributeType.FLOATS, floats: value.floats });
  if ('graph' in value)
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.GRAPH,
      g: graphOf(value.graph),
    } as MessageInitShape<typeof AttributeProtoSchema>);
  if ('dims' in value) return init({ type: AttributeType.TENSOR, t: value });
  return init({ type: AttributeType.INTS, ints: value.map(BigInt) });
}
