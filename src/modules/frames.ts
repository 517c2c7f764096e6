/**
 * Which modules a node stands in, as the two PyTorch exporters record it: dynamo in `metadata_props`, TorchScript in
 * the node's name.
 */
import type { Graph, Node } from '../graph/index.js';

/** One module around a node. */
export interface Frame {
  /** Dotted path, as in PyTorch's `named_modules`. */
  readonly path: string;
  /** Fully qualified class, where the file tells. */
  readonly qualifiedClass?: string;
  /** What tells one call of the module from another; equal for all nodes of a call. */
  readonly call: string;
}

/** The modules around a node, outermost first; `undefined` when the file says nothing about it. */
export interface NodeFrames {
  readonly frames: readonly Frame[];
  /** Dynamo: the PyTorch operator and the name of its call, e.g. `aten.relu.default` and `relu_1`. */
  readonly operator?: { readonly target: string; readonly name: string };
}

/** Reads the frames of every node of a graph. */
export function framesOf(graph: Graph): Map<Node, NodeFrames> {
  const names = new TorchScriptNames(graph);
  const found = new Map<Node, NodeFrames>();
  for (const node of graph.nodes) {
    const frames = fromMetadata(node) ?? names.framesOf(node);
    if (frames) found.set(node, frames);
  }
  return found;
}

/** The list printed by Python's `repr` for strings. */
export const parsePythonList = (text: string): string[] =>
  Array.from(text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g), ([, single, double]) => single ?? double ?? '');

function fromMetadata({ metadata }: Node): NodeFrames | undefined {
  const scopes = metadata?.['pkg.torch.onnx.name_scopes'];
  const classes = metadata?.['pkg.torch.onnx.class_hierarchy'];
  if (scopes === undefined || classes === undefined) return undefined;
  const paths = parsePythonList(scopes);
  const kinds = parsePythonList(classes);
  if (paths.length < 2 || paths.length !== kinds.length) return undefined;
  const frames = paths.slice(1, -1).map((path, i) => ({ path, qualifiedClass: kinds[i + 1] as string, call: path }));
  return { frames, operator: { target: kinds.at(-1) as string, name: paths.at(-1) as string } };
}

/** Names such as `/layer1/layer1.0/relu_1/Relu`: the second call of `layer1.0.relu`. */
class TorchScriptNames {
  private readonly weights: readonly string[];
  /** Dotted path of every raw scope met so far. */
  private readonly paths = new Map<string, string>([['', '']]);

  constructor(graph: Graph) {
    const constants = graph.nodes.flatMap((node) => node.inputs).filter((value) => value?.constant);
    this.weights = constants.map((value) => value?.name ?? '');
  }

  framesOf({ name }: Node): NodeFrames | undefined {
    if (!name.startsWith('/')) return undefined;
    const components = name.split('/').slice(1, -1);
    return {
      frames: components.map((component, i) => {
        const parent = components.slice(0, i).join('/');
        return { path: this.pathOf(parent, component, components[i - 1]), call: `${parent}/${component}` };
      }),
    };
  }

  private pathOf(parent: string, component: string, previous: string | undefined): string {
    const raw = parent === '' ? component : `${parent}/${component}`;
    const known = this.paths.get(raw);
    if (known !== undefined) return known;
    const path = this.repeated(parent, component) ?? this.joined(parent, component, previous);
    this.paths.set(raw, path);
    return path;
  }

  /** `relu_1` beside an earlier `relu` is its second call, unless the file holds weights of a module of that name. */
  private repeated(parent: string, component: string): string | undefined {
    const base = /^(.+)_\d+$/.exec(component)?.[1];
    if (base === undefined) return undefined;
    const path = this.joined(parent, component, parent.split('/').at(-1));
    if (this.weights.some((weight) => weight.startsWith(`${path}.`))) return undefined;
    return this.paths.get(parent === '' ? base : `${parent}/${base}`);
  }

  /** Children of a Sequential repeat its name (`layer1/layer1.0`); others do not (`layer1.0/conv1`). */
  private joined(parent: string, component: string, previous: string | undefined): string {
    const parentPath = this.paths.get(parent) ?? parent.replaceAll('/', '.');
    if (parentPath === '') return component;
    if (previous !== undefined && component.startsWith(`${previous}.`)) {
      return `${parentPath}${component.slice(previous.length)}`;
    }
    return `${parentPath}.${component}`;
  }
}
