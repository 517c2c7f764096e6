/** The module tree of an imported model, as Python's `print(model)` shows it. */
import type { ModuleCall } from './types.js';

/** A module with its children, in order of first call. */
export interface ModuleTree {
  /** Last part of the path. */
  readonly name: string;
  readonly path: string;
  readonly class: string;
  /** Its calls; none for a container that leaves no trace of its own. */
  readonly calls: readonly ModuleCall[];
  readonly children: readonly ModuleTree[];
}

/** Builds the children of the root from its calls. */
export function moduleTree(calls: readonly ModuleCall[], path = ''): ModuleTree[] {
  const prefix = path === '' ? '' : `${path}.`;
  const below = calls.filter((call) => call.path.startsWith(prefix) && call.path !== path);
  const names = [...new Set(below.map((call) => call.path.slice(prefix.length).split('.')[0] as string))];
  return names.map((name) => {
    const childPath = prefix + name;
    const own = calls.filter((call) => call.path === childPath);
    return {
      name,
      path: childPath,
      class: own[0]?.class ?? 'ModuleList',
      calls: own,
      children: moduleTree(below, childPath),
    };
  });
}

/** Lines `(name): Class note`, children indented; `note` may add what is known of a module's calls. */
export const formatTree = (tree: readonly ModuleTree[], note: (module: ModuleTree) => string, depth = 0): string[] =>
  tree.flatMap((module) => [
    `${'  '.repeat(depth)}(${module.name}): ${module.class}${note(module)}`,
    ...formatTree(module.children, note, depth + 1),
  ]);
