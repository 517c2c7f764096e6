/** Model-local functions, as early versions of torch.onnx's dynamo exporter write: every call is replaced by its body. */
import { clone } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
} from 'onnx-buf';
import { GlobalPercError } from '../graph/index.js';
import { standardOpset } from './decode.js';

/** Functions may call functions, but not themselves: the format forbids recursion. */
const DEEPEST = 64;

/**
 * The nodes with all calls of the model's own functions inlined.
 * @throws GlobalPercError when a function is recursive or written for other operator versions than the model.
 */
export function inlineFunctions(model: ModelProto, nodes: readonly NodeProto[], source: string): NodeProto[] {
  if (model.functions.length === 0) return [...nodes];
  const functions = new Map(
    model.functions.map((definition) => [keyOf(definition.domain, definition.name, definition.overload), definition]),
  );
  const opset = standardOpset(model.opsetImport);
  const expand = (node: NodeProto, depth: number): NodeProto[] => {
    const definition = functions.get(keyOf(node.domain, node.opType, node.overload));
    if (definition === undefined) {
      for (const { g } of node.attribute) if (g) g.node = g.node.flatMap((inner) => expand(inner, depth));
      return [node];
    }
    const where = `${source}: function ${definition.domain}.${definition.name}`;
    if (depth > DEEPEST)
      throw new GlobalPercError(`${where} calls itself, which ONNX forbids`, { code: 'invalid-model' });
    requireOpset(definition, opset, where);
    return bodyOf(definition, node).flatMap((inner) => expand(inner, depth + 1));
  };
  return nodes.flatMap((node) => expand(node, 0));
}

const keyOf = (domain: string, name: string, overload: string): string => JSON.stringify([domain, name, overload]);

function requireOpset(definition: FunctionProto, opset: number | undefined, where: string): void {
  const own = standardOpset(definition.opsetImport);
  if (own === undefined || own === opset) return;
  throw new GlobalPercError(`${where} is written for opset ${own}, the model for ${opset}; export the model again`, {
    code: 'invalid-model',
  });
}

/**
 * The body's nodes, with those of its branches and loop bodies, with values and attributes of one call put in; inner
 * names are prefixed by the call's.
 */
function bodyOf(definition: FunctionProto, call: NodeProto): NodeProto[] {
  const prefix = call.name || call.output.find(Boolean) || call.opType;
  const renamed = new Map<string, string>([['', '']]);
  definition.input.forEach((name, i) => void renamed.set(name, call.input[i] ?? ''));
  definition.output.forEach((name, i) => void (call.output[i] && renamed.set(name, call.output[i])));
  const rename = (name: string): string => renamed.get(name) ?? `${prefix}/${name}`;
  const given = new Map(
    [...definition.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]),
  );
  const adapt = (node: NodeProto, i: number): void => {
    node.name = `${prefix}/${node.name || `${node.opType}_${i}`}`;
    node.input = node.input.map(rename);
    node.output = node.output.map(rename);
    node.attribute = node.attribute.flatMap((attribute) => resolve(attribute, given));
    if (node.metadataProps.length === 0) node.metadataProps = call.metadataProps;
    for (const { g } of node.attribute) {
      g?.node.forEach(adapt);
      for (const named of [...(g?.input ?? []), ...(g?.output ?? []), ...(g?.initializer ?? [])]) {
        named.name = rename(named.name);
      }
    }
  };
  const nodes = definition.node.map((node) => clone(NodeProtoSchema, node));
  nodes.forEach(adapt);
  return nodes;
}

/** An attribute that refers to one of the function's gets the call's value, the default, or is left out. */
function resolve(attribute: AttributeProto, given: ReadonlyMap<string, AttributeProto>): AttributeProto[] {
  if (attribute.refAttrName === '') return [attribute];
  const value = given.get(attribute.refAttrName);
  if (value === undefined) return [];
  const resolved = clone(AttributeProtoSchema, value);
  resolved.name = attribute.name;
  return [resolved];
}
