/** Which modules are hooked, as check boxes show it and as a configuration says it. */
import type { ModuleCall, ModuleTree } from 'globalperc';

/** A check box over several others. */
export type Checked = 'all' | 'some' | 'none';

export type Selection = ReadonlySet<ModuleCall>;

export function checkedOf(calls: readonly ModuleCall[], selected: Selection): Checked {
  const count = calls.filter((call) => selected.has(call)).length;
  if (count === 0) return 'none';
  return count === calls.length ? 'all' : 'some';
}

/** With some calls chosen, or left out where all of them were chosen. */
export function toggled(calls: readonly ModuleCall[], selected: Selection): Selection {
  const result = new Set(selected);
  const add = checkedOf(calls, selected) !== 'all';
  for (const call of calls) {
    if (add) result.add(call);
    else result.delete(call);
  }
  return result;
}

/** The calls below a module, and its own, that can be hooked. */
export const leavesBelow = ({ calls, children }: ModuleTree): ModuleCall[] => [
  ...calls.filter(({ leaf }) => leaf),
  ...children.flatMap(leavesBelow),
];

const escaped = (path: string): string => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `/^(features\.1|features\.4)$/` */
function patternOf(calls: readonly ModuleCall[]): string {
  const paths = [...new Set(calls.map(({ path }) => escaped(path)))];
  return paths.length === 1 ? `/^${paths[0]}$/` : `/^(${paths.join('|')})$/`;
}

/**
 * A selection as `modulesToHook`: nothing for all, names of classes where they say it, else a pattern on the paths.
 * @param hooksOf what some selectors choose of the model.
 * @returns undefined where no selectors say it, as for one of several modules without a path.
 */
export function selectorsFor(
  leaves: readonly ModuleCall[],
  selected: Selection,
  hooksOf: (selectors: readonly string[]) => readonly ModuleCall[],
): readonly string[] | undefined {
  const chosen = leaves.filter((call) => selected.has(call));
  const names = [...new Set(chosen.map((call) => call.class))];
  const whole = names.filter((name) => leaves.every((call) => call.class !== name || selected.has(call)));
  const rest = chosen.filter((call) => !whole.includes(call.class));
  const candidates = [
    ...(chosen.length === leaves.length ? [[]] : []),
    [...whole, ...(rest.length > 0 ? [patternOf(rest)] : [])],
    [patternOf(chosen)],
  ];
  return candidates.find((selectors) => isSame(hooksOf(selectors), selected));
}

const isSame = (hooks: readonly ModuleCall[], selected: Selection): boolean =>
  hooks.length === selected.size && hooks.every((call) => selected.has(call));
