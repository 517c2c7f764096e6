/** Divides the nodes of each module into its calls. */
import type { Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { groupBy } from './group.js';
import type { CallNodes, NodeScopes, Scope, ScopeMap } from './types.js';

/** A module with all nodes inside it, over all of its calls. */
interface Member {
  scope: Scope;
  readonly nodes: Node[];
  hasChildren: boolean;
}

/** The calls of every module, leaf or container. */
export function callsOf(scopes: ScopeMap, flow: DataFlow): CallNodes[] {
  const members = membersOf(scopes, flow);
  return Array.from(members.values()).flatMap(({ scope, nodes, hasChildren }) =>
    divide(scope, nodes, hasChildren, scopes, flow).map((part) => ({ scope, nodes: part, hasChildren })),
  );
}

function membersOf(scopes: ScopeMap, flow: DataFlow): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const node of flow.nodes) {
    for (const [i, scope] of scopes.get(node)?.scopes.entries() ?? []) {
      const member = members.get(scope.path) ?? { scope, nodes: [], hasChildren: false };
      members.set(scope.path, member);
      if (member.scope.qualifiedClass === undefined) member.scope = scope;
      member.nodes.push(node);
      if (i < (scopes.get(node)?.scopes.length ?? 0) - 1) member.hasChildren = true;
    }
  }
  return members;
}

function divide(scope: Scope, nodes: Node[], hasChildren: boolean, scopes: ScopeMap, flow: DataFlow): Node[][] {
  const found = (node: Node): NodeScopes | undefined => scopes.get(node);
  if (!hasChildren && nodes.every((node) => found(node)?.instance !== undefined)) {
    return Array.from(groupBy(nodes, (node) => found(node)?.instance).values());
  }
  const innermost = (node: Node): string => found(node)?.scopes.at(-1)?.path ?? '';
  const describe = (node: Node): string =>
    `${innermost(node)} ${node.op} ${hasChildren ? '' : constantsOf(node, flow)}`;
  const groups = joinFragments(convexGroups(nodes, flow), describe, flow);
  const children = new Set(nodes.map(innermost));
  children.delete(scope.path);
  return groups.flatMap((group) =>
    maySplit(scope, hasChildren, children.size) ? splitPeriods(group, describe) : [group],
  );
}

/** A module of one's own may well run one child twice; those of torch.nn do everything once. */
const maySplit = ({ qualifiedClass }: Scope, hasChildren: boolean, children: number): boolean =>
  qualifiedClass?.startsWith('torch.nn.') || (hasChildren && children > 1);

const constantsOf = (node: Node, flow: DataFlow): string =>
  node.inputs.map((input) => (flow.depends(input) ? '' : (input?.name ?? ''))).join(',');

/**
 * Groups nodes that are connected without leaving the module. Data that leaves and comes back enters another call:
 * every node is given the number of times that happened before it, and groups do not mix those.
 */
function convexGroups(nodes: readonly Node[], flow: DataFlow): Node[][] {
  const levels = entriesBefore(nodes, flow);
  const groupOf = new Map<Node, Set<Node>>();
  for (const node of nodes) {
    const group = new Set([node]);
    groupOf.set(node, group);
    for (const producer of flow.producers(node)) {
      const other = groupOf.get(producer);
      if (other === undefined || other === groupOf.get(node) || levels.get(producer) !== levels.get(node)) continue;
      merge(other, groupOf.get(node) as Set<Node>, groupOf);
    }
  }
  return Array.from(new Set(groupOf.values()), (group) => inOrder([...group], flow));
}

function merge(into: Set<Node>, from: Set<Node>, groupOf: Map<Node, Set<Node>>): void {
  for (const node of from) {
    into.add(node);
    groupOf.set(node, into);
  }
}

function entriesBefore(nodes: readonly Node[], flow: DataFlow): Map<Node, number> {
  const members = new Set(nodes);
  const levels = new Map<Node, number>();
  const between = flow.nodes.slice(flow.position(nodes[0]), flow.position(nodes.at(-1)) + 1);
  for (const node of between) {
    const inside = members.has(node);
    let level = inside ? 1 : 0;
    for (const producer of flow.producers(node)) {
      const before = levels.get(producer) ?? 0;
      level = Math.max(level, inside && before > 0 && !members.has(producer) ? before + 1 : before);
    }
    levels.set(node, level);
  }
  return levels;
}

/**
 * Joins groups that follow each other without anything between, unless they do the same: a module may compute two
 * things that do not touch, while two equal ones are two calls.
 */
function joinFragments(groups: Node[][], describe: (node: Node) => string, flow: DataFlow): Node[][] {
  const members = new Set(groups.flat());
  const signature = (group: readonly Node[]): string => group.map(describe).join(';');
  const joined: Node[][] = [];
  for (const group of groups.sort((a, b) => flow.position(a[0]) - flow.position(b[0]))) {
    const previous = joined.at(-1);
    const gap = flow.nodes.slice(flow.position(previous?.at(-1)) + 1, flow.position(group[0]));
    if (previous && gap.every((node) => members.has(node)) && signature(previous) !== signature(group)) {
      joined.splice(-1, 1, inOrder([...previous, ...group], flow));
    } else joined.push(group);
  }
  return joined;
}

/** Calls that feed each other directly, `block(block(x))`, show as one group that repeats itself. */
function splitPeriods(group: readonly Node[], describe: (node: Node) => string): Node[][] {
  const signatures = group.map(describe);
  const repeats = (period: number): boolean =>
    group.length % period === 0 && signatures.every((entry, i) => entry === signatures[i % period]);
  let period = 1;
  while (!repeats(period)) period += 1;
  return Array.from({ length: group.length / period }, (_, i) => group.slice(i * period, (i + 1) * period));
}

const inOrder = (nodes: Node[], flow: DataFlow): Node[] => nodes.sort((a, b) => flow.position(a) - flow.position(b));
