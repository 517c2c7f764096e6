/** Writes a graph as an ONNX model. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import {
  type Attribute,
  byteLengthOf,
  type ConstantData,
  checked,
  type Graph,
  isDetach,
  type Node,
  ONNX_DTYPE,
  uniqueName,
  type Value,
} from '../graph/index.js';
import { shapesIn, unranked } from './unranked.js';
import { type ExternalConstant, type InPlace, tensorProto, type WeightOptions, WeightWriter } from './weights.js';

/** Model bytes, and the weights that were kept out of them. */
export interface OnnxModel {
  readonly model: Uint8Array;
  /** Weights by the path under which the model refers to them; with `inPlace`, those that `embedding` adds to it by that name. */
  readonly external: readonly ExternalConstant[];
  /** The weights that the model refers to where they lie. */
  readonly inPlace: InPlace | undefined;
}

export interface WriteOptions extends WeightOptions {
  /** Version of the standard operator set the nodes are written for. */
  readonly opset: number;
  /** Declare the types of all values, not of inputs and outputs alone: whoever reads them may compare them with its own. */
  readonly allTypes?: boolean;
  /**
   * What is left out of the shapes of inputs, though it is known: their sizes, and those of outputs, or all that tells ranks (`unranked`, which takes the graph's
   * place). Default: nothing.
   */
  readonly openInputs?: 'sizes' | 'ranks' | undefined;
  /** Constants that are inputs of the file, by names that no other input or output has. */
  readonly given?: readonly Value[] | undefined;
}

/** Oldest file format version that may hold an operator set (https://github.com/onnx/onnx/blob/main/docs/Versioning.md). */
const irVersion = (opset: number): bigint => (opset >= 23 ? 11n : opset >= 21 ? 10n : 9n);

const encoder = new TextEncoder();

/**
 * Serialises a graph. Inputs and outputs keep their names, which are different ones; values inside, and nodes, get others where
 * theirs are taken.
 */
export function writeOnnx(whole: Graph, options: WriteOptions): OnnxModel {
  const graph = options.openInputs === 'ranks' ? unranked(whole) : whole;
  checked(graph, 'all passes');
  const given = new Set(options.given);
  const names = uniqueNames(graph, given);
  const constants = constantsOf(graph).filter(([value]) => !given.has(value));
  const weights = new WeightWriter(
    constants.map(([, data]) => data),
    options,
  );
  const tensors = constants.map(([value, data]) => weights.write(data, names.get(value) as string));
  const { external, inPlace } = weights;
  // ONNX Runtime takes external files either from memory or from a folder, not from both.
  const embedded = new Set(inPlace && external.map(({ path }) => path));
  const initializer = tensors.filter(({ name }) => !embedded.has(name));
  const domains = new Set(graph.nodes.map((node) => written(node).domain).filter((domain) => domain !== ''));
  const { opset } = options;
  const model = create(ModelProtoSchema, {
    irVersion: irVersion(opset),
    producerName: 'globalperc',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
      ...Array.from(domains, (domain) => create(OperatorSetIdProtoSchema, { domain, version: 1n })),
    ],
    graph: graphProto(graph, names, initializer, options),
  });
  return { model: toBinary(ModelProtoSchema, model), external, inPlace };
}

function graphProto(
  graph: Graph,
  names: ReadonlyMap<Value, string>,
  initializer: TensorProto[],
  { allTypes = false, openInputs, given = [] }: WriteOptions,
): GraphProto {
  const nameOf = (value: Value | undefined): string => (value && names.get(value)) ?? '';
  const taken = new Set<string>();
  const outputs = new Set(graph.outputs);
  const inner = graph.nodes.flatMap((node) =>
    node.outputs.filter((value) => value?.dtype !== undefined && !outputs.has(value)),
  ) as Value[];
  return create(GraphProtoSchema, {
    name: 'globalperc',
    input: [
      ...[...graph.inputs, ...given].map((value) => valueInfo(opened(value, openInputs))),
      ...(openInputs === 'ranks'
        ? shapesIn(graph).map((value) => valueInfo(opened(value, openInputs), nameOf(value)))
        : []),
    ],
    output: graph.outputs.map((value) => valueInfo(openInputs === 'sizes' ? opened(value, openInputs) : value)),
    valueInfo: allTypes ? inner.map((value) => valueInfo(value, nameOf(value))) : [],
    initializer,
    node: graph.nodes.map((node) =>
      create(NodeProtoSchema, {
        ...written(node),
        name: node.name === '' ? '' : uniqueName(node.name, taken),
        input: withoutTrailing(node.inputs.map(nameOf)),
        output: withoutTrailing(node.outputs.map(nameOf)),
        metadataProps: Object.entries(node.metadata ?? {}).map(([key, value]) =>
          create(StringStringEntryProtoSchema, { key, value }),
        ),
        attribute: Object.entries(node.attributes).map(([name, attribute]) => attributeProto(name, attribute)),
      }),
    ),
  });
}

/** How a file calls an operator: Detach, which no file knows, computes what Identity does. */
const written = (node: Node): { readonly opType: string; readonly domain: string } =>
  isDetach(node) ? { opType: 'Identity', domain: '' } : { opType: node.op, domain: node.domain };

/** Optional inputs at the end are left out altogether, as the checker demands. */
function withoutTrailing(names: string[]): string[] {
  let end = names.length;
  while (end > 0 && names[end - 1] === '') end -= 1;
  return names.slice(0, end);
}

/** Gives every value used in the graph a name of its own; the graph's inputs and outputs, and what the file is given, come first and keep theirs. */
function uniqueNames(graph: Graph, given: Iterable<Value>): Map<Value, string> {
  const names = new Map<Value, string>();
  const taken = new Set<string>();
  const assign = (value: Value | undefined): void => {
    if (value === undefined || names.has(value)) return;
    names.set(value, uniqueName(value.name, taken));
  };
  for (const value of [...graph.inputs, ...graph.outputs, ...given]) assign(value);
  for (const node of graph.nodes) for (const value of [...node.inputs, ...node.outputs]) assign(value);
  return names;
}

/** Bytes of all constants of a graph. */
export const weightBytes = (graph: Graph): number =>
  constantsOf(graph).reduce((sum, [, constant]) => sum + byteLengthOf(constant), 0);

function constantsOf(graph: Graph): [Value, ConstantData][] {
  const found = new Map<Value, ConstantData>();
  const used: (Value | undefined)[] = [...graph.nodes.flatMap((node: Node) => node.inputs), ...graph.outputs];
  for (const value of used) if (value?.constant) found.set(value, value.constant);
  return [...found];
}

function valueInfo(value: Value, name = value.name): ValueInfoProto {
  if (value.dtype === undefined) return create(ValueInfoProtoSchema, { name });
  const shape = (value.declaredShape ?? value.shape)?.map(dimension);
  const tensor = create(TypeProto_TensorSchema, {
    elemType: ONNX_DTYPE[value.dtype],
    ...(shape && { shape: create(TensorShapeProtoSchema, { dim: shape }) }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}

function opened(value: Value, open: WriteOptions['openInputs']): Value {
  if (open === undefined) return value;
  const { declaredShape: _, shape: __, ...unknown } = value;
  return open === 'ranks' ? unknown : { ...value, declaredShape: (value.shape ?? []).map(() => '?') };
}

function dimension(dim: number | string): TensorShapeProto_Dimension {
  if (dim === '?') return create(TensorShapeProto_DimensionSchema, {});
  return create(TensorShapeProto_DimensionSchema, {
    value: typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
  });
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case 'int':
      return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(attribute.value) });
    case 'float':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: attribute.value });
    case 'string':
      return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: encoder.encode(attribute.value) });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: attribute.value.map(BigInt) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: [...attribute.value] });
    case 'strings': {
      const strings = attribute.value.map((text) => encoder.encode(text));
      return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings });
    }
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: tensorProto(attribute.value) });
    case 'graph':
    case 'unsupported':
      throw new Error(`attribute '${name}' of kind ${attribute.kind} cannot be written`);
  }
}
