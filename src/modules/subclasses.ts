/**
 * Which layer of torch.nn a class of one's own extends. A file names the class, not its bases; the operator that the
 * module itself runs, and what its weights are called, tell them:
 *
 * - A module runs one `aten.conv2d` of its own, on parameters that are its `weight` and `bias`, as those of Conv2d are: a
 *   Conv2d, whatever it computes its weight from, and whatever its children do before and after.
 * - An exporter that has computed such a weight beforehand leaves no name of it: then the name of the class says what it
 *   is (`ScaledStdConv2d`), or the bias. A normalisation by running statistics needs no name: none but BatchNorm has them.
 * - A functional call on anything else, `F.conv2d(x, self.kernel)`, makes no Conv2d.
 *
 * A class of one's own that extends nn.Module and keeps parameters under these very names looks the same and counts as a
 * subclass; one whose parameters have other names, and one that calls the operator twice, does not. Of a subclass without
 * parameters (`class MyReLU(nn.ReLU)`) nothing tells the base.
 */
import type { Node, Value } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { groupBy } from './group.js';
import { spatialRank } from './rank.js';
import type { CallNodes, ScopeMap } from './types.js';

/** PyTorch's operators that layers with weights run, without their overload; `#d` stands for the dimensions. */
const LAYERS: Readonly<Record<string, string>> = {
  conv1d: 'Conv1d',
  conv2d: 'Conv2d',
  conv3d: 'Conv3d',
  convolution: 'Conv#d',
  linear: 'Linear',
  embedding: 'Embedding',
  prelu: 'PReLU',
  layer_norm: 'LayerNorm',
  native_layer_norm: 'LayerNorm',
  group_norm: 'GroupNorm',
  native_group_norm: 'GroupNorm',
  batch_norm: 'BatchNorm#d',
  _native_batch_norm_legit_no_training: 'BatchNorm#d',
  instance_norm: 'InstanceNorm#d',
};

/** True for the names of layers whose subclasses can be told. */
export const isLayerWithWeights = (className: string): boolean =>
  Object.values(LAYERS).includes(className) || Object.values(LAYERS).includes(className.replace(/[123]d$/, '#d'));

/** What torch.nn.utils.parametrize calls the class of a module whose weights it computes. */
const PARAMETRIZED = /^torch\.nn\.utils\.parametrize\.Parametrized/;

/** True for classes that are no layers of PyTorch's: a name without its Python module says nothing. */
export const isOwnClass = (qualifiedClass = ''): boolean =>
  qualifiedClass.includes('.') && !qualifiedClass.startsWith('torch.nn.modules.');

/** The layer of torch.nn that a module's own class extends, as far as the file tells. */
export function baseClassOf({ scope, nodes }: CallNodes, scopes: ScopeMap, flow: DataFlow): string | undefined {
  const { path, qualifiedClass } = scope;
  if (qualifiedClass === undefined || !isOwnClass(qualifiedClass)) return undefined;
  const name = qualifiedClass.split('.').at(-1) as string;
  const parametrized = PARAMETRIZED.test(qualifiedClass) ? name.replace('Parametrized', '') : undefined;
  const own = nodes.filter((node) => scopes.get(node)?.scopes.at(-1)?.path === path);
  const calls = groupBy(
    own.filter((node) => layerOf(node, scopes)),
    (node) => scopes.get(node)?.operator?.name,
  );
  const [call, ...others] = calls.values();
  if (call === undefined || others.length > 0) return parametrized;
  const layer = layerOf(call[0] as Node, scopes) as string;
  const parameters = call.flatMap(({ inputs }) => parametersBehind(inputs, path, flow));
  const isBase = parameters.length === 0 ? layer === 'BatchNorm#d' || name.includes(layer) : areOfLayer(parameters);
  if (!isBase) return parametrized;
  const dimensions = /([123])d/i.exec(name)?.[1] ?? spatialRank(call[0] as Node, flow);
  return layer.replace('#', String(dimensions));
}

/** The layer whose operator a node was written for. */
function layerOf(node: Node, scopes: ScopeMap): string | undefined {
  const layer = LAYERS[scopes.get(node)?.operator?.kind.split('.')[1] ?? ''];
  return node.op === 'ConvTranspose' ? layer?.replace('Conv', 'ConvTranspose') : layer;
}

/** Names, below a module's path, of the parameters that some values are computed from. */
function parametersBehind(values: Node['inputs'], path: string, flow: DataFlow): string[] {
  const found: string[] = [];
  const behind = new Set<Value | undefined>(values.filter((value) => !flow.depends(value)));
  for (const value of behind) {
    if (value?.constant && value.name.startsWith(`${path}.`)) found.push(value.name.slice(path.length + 1));
    for (const input of value?.producer?.inputs ?? []) behind.add(input);
  }
  return found;
}

/** True for a `weight`, whatever else it is computed with, and for a `bias` beside a weight whose name is lost. */
const areOfLayer = (parameters: readonly string[]): boolean =>
  parameters.some((name) => /^(weight|parametrizations\.weight\..*)$/.test(name)) ||
  parameters.every((name) => name === 'bias');
