/** Scopes of torch.onnx's dynamo exporter, which writes path and class of the modules around each node into `metadata_props`. */
import { describeNode, type Graph, type Node } from '../graph/index.js';
import { groupBy } from './group.js';
import type { NodeScopes, ScopeMap } from './types.js';

const SCOPES = 'pkg.torch.onnx.name_scopes';
const CLASSES = 'pkg.torch.onnx.class_hierarchy';

/** The scopes in the metadata of a graph's nodes; `undefined` when no node has any. */
export function dynamoScopes(graph: Graph): ScopeMap | undefined {
  const scopes = new Map<Node, NodeScopes>();
  for (const node of graph.nodes) {
    const found = scopesOf(node);
    if (found) scopes.set(node, found);
  }
  if (scopes.size === 0) return undefined;
  addBetween(graph, scopes);
  return scopes;
}

/** What of the metadata cannot be read, and what is done instead; `undefined` when all of it can. */
export function metadataProblem({ nodes }: Graph): string | undefined {
  const damaged = nodes.filter((node) => {
    const { paths, classes } = listsOf(node);
    return paths.length !== classes.length || (paths.length === 0 && node.metadata?.[SCOPES] !== undefined);
  });
  const [first] = damaged;
  return (
    first &&
    `the metadata of ${damaged.length} of ${nodes.length} nodes does not give one class for each module path, first that of ` +
      `${describeNode(first)}: '${SCOPES}' and '${CLASSES}' should be lists of the same length; ` +
      'the classes of their modules are told by the operators alone'
  );
}

/** Both lists run from the root to the PyTorch operator, which are no modules to hook. */
function scopesOf(node: Node): NodeScopes | undefined {
  const { paths, classes } = listsOf(node);
  if (paths.length === 0) return undefined;
  const aligned = paths.length === classes.length;
  const scopes = paths.slice(1, -1).map((path, i) => {
    const qualifiedClass = aligned ? classes[i + 1] : undefined;
    // torch.export marks the second call of a module as `relu@1`.
    return { path: path.replaceAll(/@\d+/g, ''), ...(qualifiedClass !== undefined && { qualifiedClass }) };
  });
  const mark = /@\d+$/.exec(paths.slice(1, -1).at(-1) ?? '')?.[0];
  const operator = aligned ? { name: paths.at(-1) as string, kind: classes.at(-1) as string } : undefined;
  return { scopes, ...(mark !== undefined && { instance: mark }), ...(operator && { operator }) };
}

const listsOf = ({ metadata }: Node): { readonly paths: string[]; readonly classes: string[] } => ({
  paths: parsePythonList(metadata?.[SCOPES] ?? ''),
  classes: parsePythonList(metadata?.[CLASSES] ?? ''),
});

/** Operators that compute nothing new. */
const REARRANGING = new Set(['Split', 'Concat', 'Slice', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose', 'Identity']);

/** A node that the exporter's optimiser made has no metadata: the pieces of a module's tensor stay in the module. */
function addBetween({ nodes }: Graph, scopes: Map<Node, NodeScopes>): void {
  const readers = groupBy(
    nodes.flatMap((node) => node.inputs.map((input) => ({ node, producer: input?.producer }))),
    ({ producer }) => producer,
  );
  for (const node of nodes.filter((bare) => REARRANGING.has(bare.op) && !scopes.has(bare))) {
    const before = node.inputs.flatMap((input) => (input?.producer ? [input.producer] : []));
    const behind = (readers.get(node) ?? []).map((reader) => reader.node);
    const around = [...before, ...behind].map((other) => scopes.get(other));
    const [first] = around;
    const path = first?.scopes.at(-1)?.path;
    const isInside = before.length > 0 && behind.length > 0 && path !== undefined;
    if (first && isInside && around.every((other) => other?.scopes.at(-1)?.path === path)) {
      const { operator: _, ...module } = first;
      scopes.set(node, module);
    }
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** The strings of a list as Python's `repr` prints it: either quote, backslash escapes. */
export function parsePythonList(text: string): string[] {
  const literals = text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/gs);
  return Array.from(literals, ([, single, double]) =>
    (single ?? double ?? '').replaceAll(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/gs, (_, code: string) =>
      code.length > 1 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    ),
  );
}
