/**
 * Scopes of torch.onnx's TorchScript exporter, which names a node after the modules around it:
 * `/layer1/layer1.0/relu_1/Relu` is in the second call of `layer1.0.relu`.
 *
 * The names say less than they seem to. A module contributes the last part of its path, or from the last part on that
 * is no number: `blocks.0.norm` gives `/blocks.0/norm`, and the modules of a Sequential repeat its name
 * (`/stem/stem.0`). Containers that are never called themselves are left out. Calls after the first append `_1`, which
 * may be the name of another module. The names of weights, which are full paths, settle what is in doubt.
 */
import type { Graph, Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { ownersOf } from './owners.js';
import type { NodeScopes, ScopeMap } from './types.js';

/** One component of the names, below its parents. */
interface RawScope {
  readonly component: string;
  readonly parent: RawScope | undefined;
  readonly children: Map<string, RawScope>;
  /** Modules whose weights its own nodes read. */
  readonly owners: Set<string>;
  /** Those of them whose weights are no vectors: exporters share equal vectors, such as the ones of a new LayerNorm. */
  readonly matrixOwners: Set<string>;
  path: string;
}

const rawScope = (component: string, parent?: RawScope): RawScope => ({
  component,
  parent,
  children: new Map(),
  owners: new Set(),
  matrixOwners: new Set(),
  path: '',
});

/** The scopes in the names of a graph's nodes; `undefined` when no name has any. */
export function torchScriptScopes(graph: Graph, flow: DataFlow): ScopeMap | undefined {
  const root = rawScope('');
  const raw = new Map<Node, RawScope>();
  for (const node of graph.nodes) if (node.name.startsWith('/')) raw.set(node, enter(root, node, flow));
  if (!flow.nodes.some((node) => raw.get(node)?.parent)) return undefined;
  const resolver = new Resolver();
  for (const child of root.children.values()) resolver.resolve(child);
  return new Map(Array.from(raw, ([node, scope]) => [node, scopesOf(node, scope, flow)]));
}

/** The innermost scope of a node, made where it is new. */
function enter(root: RawScope, node: Node, flow: DataFlow): RawScope {
  let scope = root;
  for (const component of node.name.split('/').slice(1, -1)) {
    const known = scope.children.get(component) ?? rawScope(component, scope);
    scope.children.set(component, known);
    scope = known;
  }
  for (const owner of ownersOf(node, flow)) scope.owners.add(owner);
  const matrices = node.inputs.filter((input) => (input?.constant?.shape.length ?? 0) > 1);
  for (const owner of ownersOf({ ...node, inputs: matrices }, flow)) scope.matrixOwners.add(owner);
  return scope;
}

function scopesOf(node: Node, scope: RawScope, flow: DataFlow): NodeScopes {
  const paths: string[] = [];
  for (let at: RawScope | undefined = scope; at?.parent; at = at.parent) paths.unshift(at.path);
  const other = ownerBesides(node, scope, flow);
  if (other !== undefined) paths.splice(-1, 1, other);
  return { scopes: paths.map((path) => ({ path })), instance: instanceOf(scope) };
}

const instanceOf = (scope: RawScope): string => (scope.parent ? `${instanceOf(scope.parent)}/${scope.component}` : '');

/** The second call of `conv` and the first of `conv_1` get the same name; their weights differ. */
function ownerBesides(node: Node, { component, parent, owners }: RawScope, flow: DataFlow): string | undefined {
  const base = baseOf(component);
  if (base === undefined || owners.size < 2) return undefined;
  const other = join(parent?.path ?? '', base);
  return ownersOf(node, flow).includes(other) ? other : undefined;
}

/** `relu` for `relu_1`. */
const baseOf = (component: string): string | undefined => /^(.+)_\d+$/.exec(component)?.[1];

const join = (parent: string, component: string): string => (parent === '' ? component : `${parent}.${component}`);

const endsWithPart = (path: string, end: string): boolean => path === end || path.endsWith(`.${end}`);

/** Finds full paths, parents before children. */
class Resolver {
  private readonly resolved: string[] = [];

  resolve(scope: RawScope): void {
    const parent = scope.parent?.path ?? '';
    scope.path =
      this.fromWeights(scope, parent) ??
      registeredAround(scope, parent) ??
      fromSiblings(scope) ??
      this.fromName(scope, parent);
    this.resolved.push(scope.path);
    for (const child of scope.children.values()) this.resolve(child);
  }

  /** The path that the weights below a scope agree with; the likeliest by name comes first. */
  private fromWeights(scope: RawScope, parent: string): string | undefined {
    const candidates = new Set(candidatePaths(scope, 'owners'));
    const inParent = (path: string): boolean => parent === '' || path.startsWith(`${parent}.`);
    for (const end of [scope.component, baseOf(scope.component)]) {
      if (end === undefined) break;
      const likely = extend(parent, end);
      if (candidates.has(likely)) return likely;
      const found = Array.from(candidates).find((path) => endsWithPart(path, end) && inParent(path));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private fromName({ component, parent: container }: RawScope, parent: string): string {
    const path = extend(parent, component);
    const inSequential = container?.parent && isSequential(container) && path === join(parent, component);
    // A module that a Sequential shares with another place is called by the name it has there.
    const elsewhere = inSequential
      ? this.resolved.find((known) => endsWithPart(known, baseOf(component) ?? component))
      : undefined;
    return elsewhere ?? path;
  }
}

/** A module that blocks share is known by the path it has in what is around them, as the names of its weights say. */
function registeredAround(scope: RawScope, parent: string): string | undefined {
  const holds = (path: string): boolean => {
    const container = path.slice(0, Math.max(0, path.lastIndexOf('.')));
    return container !== parent && (container === '' || parent.startsWith(`${container}.`));
  };
  const candidates = Array.from(candidatePaths(scope, 'matrixOwners'));
  return candidates.find((path) => endsWithPart(path, scope.component) && holds(path));
}

/** Paths a scope may have, given what the weights in and below it are called. */
function* candidatePaths(scope: RawScope, kind: 'owners' | 'matrixOwners'): Generator<string> {
  yield* scope[kind];
  for (const child of scope.children.values()) {
    // Either reading of the child's name: repeating this scope's, or not.
    const repeated = extend(scope.component, child.component).slice(scope.component.length);
    for (const path of candidatePaths(child, kind)) {
      for (const end of new Set([repeated, `.${child.component}`])) {
        if (path.endsWith(end)) yield path.slice(0, path.length - end.length);
      }
    }
  }
}

/** `relu_2` beside `relu` and `relu_1` is the third call of `relu`. */
function fromSiblings({ component, parent }: RawScope): string | undefined {
  const base = baseOf(component);
  const first = base === undefined ? undefined : parent?.children.get(base);
  const calls = Number(component.slice((base?.length ?? 0) + 1));
  const earlier = Array.from({ length: Math.max(0, calls - 1) }, (_, i) => `${base}_${i + 1}`);
  return earlier.every((name) => parent?.children.has(name)) ? first?.path : undefined;
}

/** The path of a component below its parent's, which a Sequential's children repeat. */
function extend(parent: string, component: string): string {
  const outer = parent.split('.');
  const inner = component.split('.');
  for (let shared = inner.length - 1; shared > 0; shared -= 1) {
    const repeats = outer.slice(-shared).join('.') === inner.slice(0, shared).join('.');
    if (repeats && inner.slice(shared).every((part) => /^\d+(_\d+)?$/.test(part))) {
      return [...outer, ...inner.slice(shared)].join('.');
    }
  }
  return join(parent, component);
}

/** True when the children are named as those of a Sequential are. */
const isSequential = ({ component, children }: RawScope): boolean =>
  Array.from(children.keys()).some((child) => extend(component, child) !== join(component, child));
