/** Scopes of torch.onnx's dynamo exporter, which writes path and class of the modules around each node into `metadata_props`. */
import type { Graph, Node } from '../graph/index.js';
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
  return scopes.size > 0 ? scopes : undefined;
}

/** Both lists run from the root to the PyTorch operator, which are no modules to hook. */
function scopesOf({ metadata }: Node): NodeScopes | undefined {
  const paths = parsePythonList(metadata?.[SCOPES] ?? '').slice(1, -1);
  const classes = parsePythonList(metadata?.[CLASSES] ?? '').slice(1, -1);
  if (metadata?.[SCOPES] === undefined) return undefined;
  const scopes = paths.map((path, i) => {
    const qualifiedClass = paths.length === classes.length ? classes[i] : undefined;
    // torch.export marks the second call of a module as `relu@1`.
    return { path: path.replaceAll(/@\d+/g, ''), ...(qualifiedClass !== undefined && { qualifiedClass }) };
  });
  const mark = /@\d+$/.exec(paths.at(-1) ?? '')?.[0];
  return { scopes, ...(mark !== undefined && { instance: mark }) };
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
