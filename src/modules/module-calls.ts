/** The module calls of an imported model, in execution order. */
import { checked, type Graph, type Node, type Value } from '../graph/index.js';
import { callsOf } from './calls.js';
import { constantCalls } from './constant-calls.js';
import { DataFlow } from './data-flow.js';
import { dynamoScopes } from './dynamo.js';
import { classOfScope, UNKNOWN_CLASS } from './layers.js';
import { mergedCalls } from './merged-calls.js';
import { restoreOrder } from './order.js';
import { ownersOf } from './owners.js';
import { renameMadeNodes } from './rename.js';
import { restoreOutputs } from './restore.js';
import { restoreViews } from './restore-views.js';
import { baseClassOf } from './subclasses.js';
import { torchScriptScopes } from './torchscript.js';
import type { CallNodes, ModuleCall, ScopeMap } from './types.js';
import { matchLayers } from './unscoped.js';

/** A call that has not been counted yet. */
interface Uncounted extends Omit<ModuleCall, 'call'> {
  /** The node it comes right before, where its output was computed earlier. */
  readonly before?: Node;
}

/**
 * Finds every module call and sets `modulePath` of every node to its innermost module ('' outside of all). Scopes that
 * the exporter left in the file are believed: there, a functional call such as `F.silu` is no module. A file without
 * scopes has a call per recognised layer.
 *
 * Modules that left no node – Dropout, Identity, a BatchNorm merged into a convolution – are not found.
 */
export function recoverModules(graph: Graph): ModuleCall[] {
  restoreViews(graph);
  const metadata = dynamoScopes(graph);
  if (metadata === undefined) {
    const flow = new DataFlow(graph);
    renameMadeNodes(graph, flow);
    restoreOrder(graph, flow);
    restoreOutputs(graph);
  }
  checked(graph, 'recovering its modules');
  const flow = new DataFlow(graph);
  const scopes = metadata ?? torchScriptScopes(graph, flow);
  for (const node of graph.nodes) node.modulePath = scopes?.get(node)?.scopes.at(-1)?.path ?? '';
  const calls = scopes ? scopedCalls(graph, scopes, flow) : unscopedCalls(flow);
  return count(inExecutionOrder(calls, graph));
}

function unscopedCalls(flow: DataFlow): Uncounted[] {
  return matchLayers(flow).flatMap(({ path, class: className, nodes }) => {
    for (const node of nodes) node.modulePath = path;
    const output = flow.outputOf(nodes);
    return output ? [{ path, class: className, leaf: true, output, nodes }] : [];
  });
}

function scopedCalls(graph: Graph, scopes: ScopeMap, flow: DataFlow): Uncounted[] {
  const owners = new Set(graph.nodes.flatMap((node) => ownersOf(node, flow)));
  const [constant, rest] = constantCalls(graph, scopes, flow);
  const calls = callsOf(scopes, flow).flatMap((found) => describe(found, scopes, owners, flow));
  const weighted = calls.filter(({ class: className, baseClass }) => ALWAYS_LEAF.test(baseClass ?? className));
  const others = constant
    .filter(({ scope }) => !weighted.some(({ path }) => isInside(scope.path, path)))
    .flatMap((found) => describe(found, scopes, owners, rest));
  const hasConstantChild = ({ path }: Uncounted): boolean => others.some((other) => isInside(other.path, path));
  const all = [...calls.map((found) => (hasConstantChild(found) ? { ...found, leaf: false } : found)), ...others];
  const merged = mergedCalls(all, flow);
  return [...all, ...merged.map(({ written, path, before }) => ({ ...written, path, before }))];
}

const isInside = (path: string, container: string): boolean => path.startsWith(`${container}.`);

function describe(found: CallNodes, scopes: ScopeMap, owners: ReadonlySet<string>, flow: DataFlow): Uncounted[] {
  const { scope, nodes, hasChildren } = found;
  const output = flow.outputOf(nodes);
  if (output === undefined) return [];
  const className = scope.qualifiedClass?.split('.').at(-1) ?? classByNodes(found, scopes, owners, flow);
  const baseClass = baseClassOf(found, scopes, flow);
  const layer = baseClass ?? className;
  const absorbed = absorbedConvolution(found, layer, scopes, flow);
  const alone = nodes.length === 1;
  return [
    ...(absorbed && !alone ? [callOf(absorbed)] : []),
    {
      path: scope.path,
      class: className,
      ...(scope.qualifiedClass !== undefined && { qualifiedClass: scope.qualifiedClass }),
      ...(baseClass !== undefined && { baseClass }),
      leaf: !hasChildren && !hasIdleChildren(scope.path, layer, owners),
      output,
      nodes,
      ...(absorbed && alone && { folded: { path: absorbed.path, class: absorbed.class } }),
    },
  ];
}

interface Convolution {
  readonly path: string;
  readonly class: string;
  readonly node: Node;
  readonly output: Value;
}

/** The convolution inside a BatchNorm that goes on with an activation is a call of its own. */
function callOf({ node, output, path, class: className }: Convolution): Uncounted {
  node.modulePath = path;
  return { path, class: className, leaf: true, output, nodes: [node] };
}

function classByNodes(found: CallNodes, scopes: ScopeMap, owners: ReadonlySet<string>, flow: DataFlow): string {
  const { scope, nodes, hasChildren } = found;
  if (hasChildren) return onlyNumberedChildren(found, scopes) ? 'Sequential' : UNKNOWN_CLASS;
  return owners.has(`${scope.path}.out_proj`) && nodes.some(({ op }) => op === 'Softmax')
    ? 'MultiheadAttention'
    : classOfScope(nodes, flow);
}

/** True when all that runs in a module are children called `0`, `1`, …, as in a Sequential. */
function onlyNumberedChildren({ scope, nodes }: CallNodes, scopes: ScopeMap): boolean {
  return nodes.every((node) => {
    const inner = scopes.get(node)?.scopes ?? [];
    const child = inner[inner.findIndex(({ path }) => path === scope.path) + 1]?.path;
    // A Sequential can share a child with another module, whose path it then has.
    return (
      child !== undefined && (!child.startsWith(`${scope.path}.`) || /^\d+$/.test(child.slice(scope.path.length + 1)))
    );
  });
}

/** Modules whose weights may be computed by children of theirs, as weight_norm does, while they remain leaves. */
const ALWAYS_LEAF = /^(Linear|Embedding|Conv(Transpose)?\dd)$/;

/** `MultiheadAttention` reads the weights of its child `out_proj` and never calls it. */
const hasIdleChildren = (path: string, className: string, owners: ReadonlySet<string>): boolean =>
  !ALWAYS_LEAF.test(className) && Array.from(owners).some((owner) => owner.startsWith(`${path}.`));

/** Dynamo gives a convolution that absorbed a BatchNorm the name of the BatchNorm. */
function absorbedConvolution(
  { scope, nodes }: CallNodes,
  className: string,
  scopes: ScopeMap,
  flow: DataFlow,
): Convolution | undefined {
  if (!className.startsWith('BatchNorm')) return undefined;
  const own = nodes.filter((node) => scopes.get(node)?.scopes.at(-1)?.path === scope.path);
  const [node] = own;
  if (own.length !== 1 || !node?.op.startsWith('Conv')) return undefined;
  const path = ownersOf(node, flow).find((owner) => owner !== scope.path);
  const output = node.outputs[0];
  return path === undefined || output === undefined
    ? undefined
    : { path, class: classOfScope([node], flow), node, output };
}

/** A module returns when its output is computed; inner modules return before the ones around them. */
function inExecutionOrder(calls: readonly Uncounted[], { nodes }: Graph): Uncounted[] {
  const positions = new Map(nodes.map((node, i) => [node, i]));
  const position = ({ output, before }: Uncounted): number =>
    before ? (positions.get(before) as number) - 0.5 : (positions.get(output.producer as Node) ?? -1);
  const depth = ({ path }: Uncounted): number => path.split('.').length;
  return calls.toSorted((a, b) => position(a) - position(b) || depth(b) - depth(a));
}

function count(calls: readonly Uncounted[]): ModuleCall[] {
  const counts = new Map<string, number>();
  return calls.map(({ before: _, ...found }) => {
    const call = counts.get(found.path) ?? 0;
    counts.set(found.path, call + 1);
    return { ...found, call };
  });
}
