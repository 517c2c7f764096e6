/** Reads an ONNX model into a graph. */
import type { GraphProto, NodeProto, TensorProto, TensorShapeProto_Dimension, ValueInfoProto } from 'onnx-buf';
import {
  type Body,
  type ConstantData,
  checked,
  GlobalPercError,
  type Graph,
  makeNode,
  type Node,
  uniqueName,
  type Value,
  wide,
} from '../graph/index.js';
import { attributesOfProto, constantOfAttributes } from './attributes.js';
import { decodeModel, isStandardDomain } from './decode.js';
import { type ExternalReader, loadExternal } from './external.js';
import { inlineFunctions } from './functions.js';
import { wideAttributes } from './half.js';
import { normalizeOpset } from './opset.js';
import { inExecutionOrder } from './order.js';
import { hasOthers } from './others.js';
import { refuseNode } from './refuse.js';
import { constantOfProto, dtypeOf } from './tensors.js';

/** Options of `readOnnx`. */
export interface ReadOptions {
  /** Path or name of the file, for messages. */
  readonly source: string;
  /** Opens a weight file beside the model. */
  readonly external?: ExternalReader;
}

/**
 * Fills an empty graph from the bytes of an ONNX file. What is of half precision there, weights and computations, is float32 here. Nodes are brought to the signatures of opset 20; weights
 * are views of `bytes`, or stay in files; dimensions stay unknown until the graph is specialised.
 * @throws GlobalPercError when the file is not ONNX, damaged, quantised, or not a valid graph.
 */
export async function readOnnx(graph: Graph, bytes: Uint8Array, { source, external }: ReadOptions): Promise<Graph> {
  const { model, graph: proto, opset } = decodeModel(bytes, source);
  const nodes = inlineFunctions(model, proto.node, source);
  for (const node of nodes) refuseNode(node, source);
  const initializers = usedInitializers(proto, nodes, source);
  const inner = subgraphsOf(nodes);
  const tensors = {
    weights: [...initializers, ...inner.flatMap(({ initializer }) => initializer)],
    inAttributes: [nodes, ...inner.map(({ node }) => node)].flatMap(attributeTensors),
  };
  const inFile = await loadExternal(tensors, source, external);
  new GraphReader(graph, source, inFile).read(proto, nodes, initializers);
  normalizeOpset(graph, opset, source);
  if (hasOthers(graph)) (await import('./contrib/index.js')).expandContrib(graph, source);
  return checked(graph, 'reading it');
}

/** The branches and loop bodies of some nodes, with those inside them. */
const subgraphsOf = (nodes: readonly NodeProto[]): GraphProto[] =>
  nodes.flatMap(({ attribute }) => attribute.flatMap(({ g }) => (g ? [g, ...subgraphsOf(g.node)] : [])));

/** Weights that something reads; others are not even looked at. */
function usedInitializers(proto: GraphProto, nodes: readonly NodeProto[], source: string): TensorProto[] {
  const inner = subgraphsOf(nodes).flatMap(({ node, output }) => [
    ...node.flatMap(({ input }) => input),
    ...output.map(({ name }) => name),
  ]);
  const used = new Set([...nodes.flatMap((node) => node.input), ...proto.output.map(({ name }) => name), ...inner]);
  const sparse = proto.sparseInitializer.find(({ values }) => values && used.has(values.name));
  if (sparse) {
    throw new GlobalPercError(
      `${source}: initializer '${sparse.values?.name}' is sparse; export the model with dense weights`,
      { code: 'invalid-model' },
    );
  }
  return proto.initializer.filter(({ name }) => used.has(name));
}

const attributeTensors = (nodes: readonly NodeProto[]): TensorProto[] =>
  nodes.flatMap((node) => node.attribute.flatMap(({ t }) => (t ? [t] : [])));

/** Turns the messages of one graph into values and nodes. */
class GraphReader {
  private readonly graph: Body;
  private readonly source: string;
  private readonly inFile: ReadonlyMap<TensorProto, ConstantData>;
  private readonly values = new Map<string, Value>();
  private readonly nodeNames: Set<string>;
  private readonly around: GraphReader | undefined;
  private readonly prefix: string;
  /** What is read from the graphs around this one. */
  private readonly captured = new Set<Value>();

  /**
   * @param inFile Constants of the initializers that stay in their files.
   * @param around The graph that this one is a branch or loop body in, and what its names begin with.
   */
  constructor(
    graph: Body,
    source: string,
    inFile: ReadonlyMap<TensorProto, ConstantData>,
    around?: { readonly reader: GraphReader; readonly prefix: string },
  ) {
    this.graph = graph;
    this.source = source;
    this.inFile = inFile;
    this.around = around?.reader;
    this.prefix = around?.prefix ?? '';
    this.nodeNames = around?.reader.nodeNames ?? new Set();
  }

  read(proto: GraphProto, nodes: readonly NodeProto[], initializers: readonly TensorProto[]): void {
    for (const tensor of initializers) this.addInitializer(tensor);
    // Older files list the initializers among the inputs, as defaults; here they are constants.
    const weights = new Set(proto.initializer.map(({ name }) => name));
    this.graph.inputs = proto.input.filter(({ name }) => !weights.has(name)).map((info) => this.addInput(info));
    // Two passes, since the nodes of a damaged file may come in any order.
    const made = nodes.map((node) => this.addOutputs(node));
    for (const [i, node] of nodes.entries()) this.connect(node, made[i]);
    this.graph.nodes = inExecutionOrder(
      made.filter((node) => node !== undefined),
      this.source,
    );
    this.graph.outputs = proto.output.map((info) => this.declareOutput(info));
  }

  /** @throws GlobalPercError when the name is taken: every value is defined once. */
  private add(value: Value): Value {
    if (this.values.has(value.name)) {
      throw new GlobalPercError(`${this.source}: '${value.name}' is defined twice; export the model again`, {
        code: 'invalid-model',
      });
    }
    this.values.set(value.name, value);
    value.name = this.prefix + value.name;
    return value;
  }

  /** The value of a name, here or in a graph around this one. */
  private find(name: string): Value | undefined {
    const own = this.values.get(name);
    if (own || this.around === undefined) return own;
    const outer = this.around.find(name);
    if (outer) this.captured.add(outer);
    return outer;
  }

  private addInitializer(tensor: TensorProto): void {
    const constant = this.inFile.get(tensor) ?? constantOfProto(tensor, `${this.source}: initializer '${tensor.name}'`);
    this.add({ name: tensor.name, dtype: constant.dtype, shape: constant.shape, constant });
  }

  private addInput(info: ValueInfoProto): Value {
    const kind = info.type?.value.case;
    if (kind !== undefined && kind !== 'tensorType') {
      throw new GlobalPercError(
        `${this.source}: input '${info.name}' is a ${kind.replace('Type', '')}, expected a tensor`,
        { code: 'invalid-model' },
      );
    }
    return declare(this.add({ name: info.name }), info);
  }

  private declareOutput(info: ValueInfoProto): Value {
    const value = this.find(info.name);
    if (value === undefined) {
      throw new GlobalPercError(`${this.source}: nothing computes the output '${info.name}'; export the model again`, {
        code: 'invalid-model',
      });
    }
    return value.producer && this.values.has(info.name) ? declare(value, info) : value;
  }

  /** The node with its outputs; a Constant only leaves a constant behind. */
  private addOutputs(proto: NodeProto): Node | undefined {
    const attributes = wideAttributes(
      proto.opType,
      attributesOfProto(proto.attribute, `${this.source}: ${proto.opType} '${proto.name}'`),
    );
    const [output] = proto.output;
    const constant =
      proto.opType === 'Constant' && isStandardDomain(proto.domain) && output
        ? constantOfAttributes(attributes)
        : undefined;
    if (output && constant) {
      this.add({ name: output, dtype: constant.dtype, shape: constant.shape, constant, literal: true });
      return undefined;
    }
    const metadata = Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value]));
    return makeNode({
      op: proto.opType,
      domain: isStandardDomain(proto.domain) ? '' : proto.domain,
      name: this.nodeName(proto),
      inputs: [],
      outputs: proto.output.map((name) => (name === '' ? undefined : this.add({ name }))),
      attributes,
      metadata: proto.metadataProps.length > 0 ? metadata : undefined,
    });
  }

  /** ONNX Runtime refuses two nodes of one name; unnamed ones are called after what they compute. */
  private nodeName(proto: NodeProto): string {
    return uniqueName(proto.name || (proto.output.find(Boolean) ?? proto.opType), this.nodeNames);
  }

  private connect(proto: NodeProto, node: Node | undefined): void {
    if (node === undefined) return;
    node.inputs = proto.input.map((name) => {
      const value = this.find(name);
      if (name === '' || value) return value;
      throw new GlobalPercError(
        `${this.source}: ${node.op} '${node.name}' reads '${name}', which nothing computes; export the model again`,
        { code: 'invalid-model' },
      );
    });
    while (node.inputs.length > 0 && node.inputs.at(-1) === undefined) node.inputs.pop();
    for (const { name, g } of proto.attribute) if (g) this.readSubgraph(node, name, g, proto.input.length);
  }

  /** A branch or loop body; what it reads from here becomes an input of its node as well. */
  private readSubgraph(node: Node, name: string, proto: GraphProto, inputCount: number): void {
    const graph: Body = { inputs: [], outputs: [], nodes: [] };
    const reader = new GraphReader(graph, this.source, this.inFile, { reader: this, prefix: `${node.name}/${name}/` });
    reader.read(proto, proto.node, proto.initializer);
    Object.assign(node.attributes, { [name]: { kind: 'graph', value: graph } });
    // Left-out inputs keep their places before those.
    while (node.inputs.length < inputCount) node.inputs.push(undefined);
    node.inputs.push(...reader.captured);
  }
}

/** Notes the type that the file declares. */
function declare(value: Value, info: ValueInfoProto): Value {
  if (info.type?.value.case !== 'tensorType') return value;
  const { elemType, shape } = info.type.value.value;
  const dtype = dtypeOf(elemType);
  if (dtype) value.dtype = wide(dtype);
  if (shape) value.declaredShape = shape.dim.map(({ value: dim }) => declaredDimension(dim));
  return value;
}

/** Some exporters write 0 or -1 for an open dimension. */
function declaredDimension(dim: TensorShapeProto_Dimension['value']): number | string {
  if (dim.case === 'dimValue') return Number(dim.value) > 0 ? Number(dim.value) : '?';
  return dim.case === 'dimParam' && dim.value !== '' ? dim.value : '?';
}
