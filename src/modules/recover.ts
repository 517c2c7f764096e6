/** The module calls of an imported model, in execution order. */
import type { Graph, Node, Value } from '../graph/index.js';
import { classOf, UNKNOWN_CLASS } from './classes.js';
import { type Frame, framesOf, type NodeFrames } from './frames.js';

/** One call of one module: what a forward hook in PyTorch would see. */
export interface ModuleCall {
  /** Dotted path, as in PyTorch's `named_modules`. */
  readonly path: string;
  /** Class name, e.g. `Conv2d`; `Module` where the file does not tell. */
  readonly class: string;
  /** 0 for the first call of this path, 1 for the second, … */
  readonly call: number;
  /** True when the module has no children. */
  readonly leaf: boolean;
  /** What the module returns. */
  readonly output: Value;
  readonly nodes: readonly Node[];
}

/** A call while its nodes are being collected. */
interface OpenCall {
  readonly frame: Frame;
  readonly nodes: Node[];
  readonly operators: Map<string, string>;
}

/**
 * Finds every module call and marks each node with its innermost module. A file without any scopes has a call per
 * recognised operator, named after its node.
 */
export function recoverModules(graph: Graph): ModuleCall[] {
  const frames = framesOf(graph);
  const scoped = [...frames.values()].some((found) => found.frames.length > 0);
  const open = scoped ? collectCalls(graph, frames) : graph.nodes.map(unscopedCall);
  const parents = new Set(open.flatMap(({ frame }) => parentsOf(frame.path)));
  const counts = new Map<string, number>();
  const readers = readersOf(graph);
  const calls = open.flatMap(({ frame, nodes }): ModuleCall[] => {
    const output = outputOf(nodes, readers, graph);
    if (output === undefined) return [];
    const className =
      frame.qualifiedClass?.split('.').at(-1) ?? (parents.has(frame.path) ? UNKNOWN_CLASS : classOf(nodes));
    if (!scoped && className === UNKNOWN_CLASS) return [];
    const call = counts.get(frame.path) ?? 0;
    counts.set(frame.path, call + 1);
    return [{ path: frame.path, class: className, call, leaf: !parents.has(frame.path), output, nodes }];
  });
  const position = new Map(graph.nodes.flatMap((node, i) => node.outputs.map((value) => [value, i] as const)));
  return calls.sort((a, b) => (position.get(a.output) ?? 0) - (position.get(b.output) ?? 0));
}

/** Every proper prefix of a dotted path. */
const parentsOf = (path: string): string[] => {
  const parts = path.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
};

const unscopedCall = (node: Node, i: number): OpenCall => {
  const path = node.name === '' ? `${node.op}_${i}` : node.name;
  return { frame: { path, call: path }, nodes: [node], operators: new Map() };
};

/** Walks the nodes with a stack of open calls: leaving a module closes its call, entering it again opens another. */
function collectCalls(graph: Graph, frames: ReadonlyMap<Node, NodeFrames>): OpenCall[] {
  const calls: OpenCall[] = [];
  let stack: OpenCall[] = [];
  for (const node of graph.nodes) {
    const found = frames.get(node);
    if (found === undefined) continue;
    const depth = commonDepth(stack, found);
    stack = stack.slice(0, depth);
    for (const frame of found.frames.slice(depth)) {
      const opened: OpenCall = { frame, nodes: [], operators: new Map() };
      stack.push(opened);
      calls.push(opened);
    }
    for (const call of stack) call.nodes.push(node);
    const innermost = stack.at(-1);
    if (found.operator) innermost?.operators.set(found.operator.target, found.operator.name);
    if (innermost) node.modulePath = innermost.frame.path;
  }
  return calls;
}

/** How many of the open calls a node still belongs to. */
function commonDepth(stack: readonly OpenCall[], { frames, operator }: NodeFrames): number {
  let depth = 0;
  while (depth < stack.length && stack[depth]?.frame.call === frames[depth]?.call) depth += 1;
  const innermost = stack[depth - 1];
  // Two calls of one module back to back: the same PyTorch operator under another name, inside a module of torch.nn.
  const other = operator && innermost?.operators.get(operator.target);
  const repeats = depth === frames.length && depth === stack.length && other !== undefined && other !== operator?.name;
  return repeats && innermost?.frame.qualifiedClass?.startsWith('torch.nn.') ? depth - 1 : depth;
}

function readersOf(graph: Graph): Map<Value, Set<Node>> {
  const readers = new Map<Value, Set<Node>>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (!input) continue;
      const known = readers.get(input);
      if (known) known.add(node);
      else readers.set(input, new Set([node]));
    }
  }
  return readers;
}

/** The last value of a call that is read outside it. */
function outputOf(
  nodes: readonly Node[],
  readers: ReadonlyMap<Value, ReadonlySet<Node>>,
  graph: Graph,
): Value | undefined {
  const inside = new Set(nodes);
  const isRead = (value: Value): boolean =>
    graph.outputs.includes(value) || [...(readers.get(value) ?? [])].some((reader) => !inside.has(reader));
  return nodes
    .flatMap((node) => node.outputs)
    .findLast((value): value is Value => value !== undefined && isRead(value));
}
