/** Module calls of a file without scopes: nodes next to each other that make up a known layer. */
import type { Node } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { LONGEST_PATTERN, matchClass } from './layers.js';
import { areWhole, operatorsOf } from './operators.js';
import { ownersOf } from './owners.js';

/** A layer recognised by its operators. */
export interface Match {
  /** Path of its weights where they have PyTorch's names, else the name of its first node. */
  readonly path: string;
  readonly class: string;
  readonly nodes: readonly Node[];
}

/** Finds layers, the longest pattern first wherever several fit. Functional calls look the same and are among them. */
export function matchLayers(flow: DataFlow): Match[] {
  const matches: Match[] = [];
  let start = 0;
  while (start < flow.nodes.length) {
    const found = matchAt(start, flow);
    if (found) matches.push(found);
    start += found?.nodes.length ?? 1;
  }
  return matches;
}

function matchAt(start: number, flow: DataFlow): Match | undefined {
  for (let length = LONGEST_PATTERN; length > 0; length -= 1) {
    const nodes = flow.nodes.slice(start, start + length);
    const found = nodes.length === length && isUnit(nodes, flow) ? matchClass(operatorsOf(nodes), flow) : undefined;
    if (found !== undefined) return { path: pathOf(nodes, flow), class: found, nodes };
  }
  return undefined;
}

/** True when no operator of the file is cut, and each node but the last feeds only the others. */
function isUnit(nodes: readonly Node[], flow: DataFlow): boolean {
  const inside = new Set(nodes);
  if (!areWhole(nodes, flow)) return false;
  return nodes
    .slice(0, -1)
    .every(({ outputs }) => outputs.every((value) => value === undefined || !flow.leaves(value, inside)));
}

function pathOf(nodes: readonly Node[], flow: DataFlow): string {
  const operators = operatorsOf(nodes);
  return operators.flatMap((node) => ownersOf(node, flow))[0] ?? (operators[0]?.name ?? '').replace(/^\//, '');
}
