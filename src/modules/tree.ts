/** The module tree of an imported model, as Python's `print(model)` shows it. */
import { sizeOf } from '../graph/index.js';
import { listOf, matching } from '../options/index.js';
import type { ModuleCall } from './types.js';
import { BATCH_NORM, mergedIntoWeights, weightsOf } from './weights.js';

/** A module with its children, in order of first call. */
export interface ModuleTree {
  /** Last part of the path. */
  readonly name: string;
  readonly path: string;
  readonly class: string;
  /** Its calls; none for a container that leaves no trace of its own. */
  readonly calls: readonly ModuleCall[];
  readonly children: readonly ModuleTree[];
  /** Number of elements of the weights that it and its children read. */
  readonly parameters: number;
  /** Which module the exporter merged into it. */
  readonly merged?: string;
}

const requireCalls = listOf(
  matching(
    (value): value is ModuleCall => typeof Object(value).path === 'string' && Array.isArray(Object(value).nodes),
    'a call of a module, as model.calls has them',
  ),
);

const requireTree = listOf(
  matching(
    (value): value is ModuleTree => typeof Object(value).name === 'string' && Array.isArray(Object(value).children),
    'a module of moduleTree(model.calls)',
  ),
);

/** Builds the children of the root from its calls. */
export function moduleTree(calls: readonly ModuleCall[], path = ''): ModuleTree[] {
  requireCalls(calls, 'moduleTree');
  const prefix = path === '' ? '' : `${path}.`;
  const below = calls.filter((call) => call.path.startsWith(prefix) && call.path !== path);
  const names = [...new Set(below.map((call) => call.path.slice(prefix.length).split('.')[0] as string))];
  return names.map((name) => {
    const childPath = prefix + name;
    const inside = below.filter((call) => call.path === childPath || call.path.startsWith(`${childPath}.`));
    const own = inside.filter((call) => call.path === childPath);
    const merged = own[0] && mergedInto(own[0]);
    return {
      name,
      path: childPath,
      class: own[0]?.class ?? 'ModuleList',
      calls: own,
      children: moduleTree(inside, childPath),
      parameters: parametersOf(inside),
      ...(merged !== undefined && { merged }),
    };
  });
}

/** Number of elements of the weights that some calls read, each counted once. */
export function parametersOf(calls: readonly ModuleCall[]): number {
  requireCalls(calls, 'parametersOf');
  const weights = weightsOf([...new Set(calls.flatMap(({ nodes }) => nodes))]);
  return weights.reduce((sum, { value }) => sum + sizeOf(value.constant?.shape ?? []), 0);
}

function mergedInto({ folded, leaf, nodes }: ModuleCall): string | undefined {
  if (folded) return `${folded.class} ${folded.path}`;
  return leaf ? mergedIntoWeights(nodes) : undefined;
}

/** Lines `(name): Class note`, children indented; `note` may add what is known of a module's calls. */
export const formatTree = (
  tree: readonly ModuleTree[],
  note: (module: ModuleTree) => string = () => '',
  depth = 0,
): string[] => {
  requireTree(tree, 'formatTree: tree');
  const indent = '  '.repeat(depth);
  return tree.flatMap((module, i) => [
    ...missingBefore(tree, i).map((line) => indent + line),
    `${indent}(${module.name}): ${module.class}${module.merged ? ` with ${module.merged}` : ''}${note(module)}`,
    ...formatTree(module.children, note, depth + 1),
  ]);
};

/** The children of a Sequential that are missing between one that was found and those before it, and what became of them. */
function missingBefore(tree: readonly ModuleTree[], index: number): string[] {
  if (!tree.every(({ name }) => /^\d+$/.test(name))) return [];
  const numbers = tree.map(({ name }) => Number(name));
  const first = Math.max(-1, ...numbers.slice(0, index)) + 1;
  const count = Math.max(0, (numbers[index] as number) - first);
  const missing = Array.from({ length: count }, (_, i) => first + i).filter((number) => !numbers.includes(number));
  return missing.map((number) => `(${number}): ${fateOf(number, tree)}`);
}

/** Files name no module that left no node; where it stood tells what it can have been. */
function fateOf(number: number, tree: readonly ModuleTree[]): string {
  for (const { name, path, merged, calls } of tree) {
    const absorbed = calls.find(({ folded }) => folded?.path === path.replace(/\d+$/, `${number}`))?.folded;
    if (absorbed) return `${absorbed.class}, merged into (${name})`;
    if (merged === BATCH_NORM && Number(name) === number - 1) return `BatchNorm, merged into (${name})`;
  }
  return 'not in the file: Dropout, Identity, or never called';
}
