/**
 * If, Loop and Scan, resolved for one input shape: what decides them is shape arithmetic nearly always, so that it is known
 * before the model runs. A branch takes the place of its If; a loop's body is repeated (https://onnx.ai/onnx/operators/).
 */
import {
  attributesOf,
  type Body,
  type ConstantData,
  constantOf,
  copyNodes,
  describeNode,
  GlobalPercError,
  int,
  makeConstant,
  makeNode,
  makeValue,
  type Node,
  numbersOf,
  readsAny,
  type Value,
} from '../graph/index.js';
import type { Steps } from '../runtime/index.js';
import { scanAsLoop } from './scan.js';

/** A loop is repeated as often as this at most: beyond it, its nodes would not fit. */
const MOST_ITERATIONS = 1000;

/** Whether a node holds branches or a loop body. */
export const isControlFlow = ({ op, domain }: Node): boolean =>
  domain === '' && (op === 'If' || op === 'Loop' || op === 'Scan');

/** What the resolution asks for. */
export interface ControlFlowContext {
  /** Values that change with the data of the input. */
  dependent(nodes: readonly Node[]): ReadonlySet<Value>;
  /** Makes constants of values that do not. */
  evaluate(nodes: readonly Node[], values: readonly Value[]): Steps<void>;
}

/**
 * The nodes without control flow.
 * @param nodes Are changed: what a branch or loop computed, other nodes do now.
 * @throws GlobalPercError naming a node whose condition or trip count depends on the input's data.
 */
export function* resolveControlFlow(nodes: readonly Node[], context: ControlFlowContext): Steps<Node[]> {
  let current = [...nodes];
  while (current.some(isControlFlow)) {
    current = current.flatMap((node) => (node.op === 'Scan' && node.domain === '' ? scanAsLoop(node) : [node]));
    const ready = new Set(readyNodes(current));
    const dependent = context.dependent(current);
    yield* context.evaluate(current, [...new Set([...ready].flatMap((node) => decidersOf(node, dependent)))]);
    const numberOf = ({ constant }: Value): number => numbersOf(constant as ConstantData)[0] as number;
    current = current.flatMap((node) => {
      if (!ready.has(node)) return [node];
      return node.op === 'If' ? branch(node, numberOf) : unroll(node, numberOf);
    });
  }
  return current;
}

/** The control flow that waits for no other. */
function readyNodes(nodes: readonly Node[]): Node[] {
  const waiting = new Set<Value>();
  return nodes.filter((node) => {
    const waits = readsAny(node, waiting);
    if (waits || isControlFlow(node)) for (const output of node.outputs) if (output) waiting.add(output);
    return isControlFlow(node) && !waits;
  });
}

/** The values that decide what a node does. */
function decidersOf(node: Node, dependent: ReadonlySet<Value>): Value[] {
  const where = describeNode(node);
  const deciders = node.inputs.slice(0, node.op === 'If' ? 1 : 2).filter((value) => value !== undefined);
  if (node.op === 'Loop' && node.inputs[0] === undefined)
    throw new GlobalPercError(
      `${where}: the loop has no trip count; export the model with a fixed number of iterations`,
      { code: 'unsupported-operator' },
    );
  const changing = deciders.find((value) => dependent.has(value));
  if (changing === undefined) return deciders;
  throw new GlobalPercError(
    `${where}: ${node.op === 'If' ? 'its condition' : 'its number of iterations'} '${changing.name}' depends on the data of the image; ` +
      'no fixed computation stands for it: export the model without that choice',
    { code: 'unsupported-operator' },
  );
}

const bodyOf = (node: Node, attribute: string): Body => {
  const graph = attributesOf(node).graph(attribute);
  if (graph === undefined)
    throw new GlobalPercError(`${describeNode(node)}: it has no ${attribute}`, { code: 'invalid-model' });
  return graph;
};

/** Lets a value be computed from another one. */
const passedOn = (from: Value | undefined, to: Value | undefined, name: string): Node[] =>
  from && to ? [makeNode({ op: 'Identity', name, inputs: [from], outputs: [to] })] : [];

function branch(node: Node, numberOf: (value: Value) => number): Node[] {
  const { nodes, outputs } = bodyOf(node, numberOf(node.inputs[0] as Value) ? 'then_branch' : 'else_branch');
  return [...nodes, ...node.outputs.flatMap((to, i) => passedOn(outputs[i], to, `${node.name}/output_${i}`))];
}

/** Inputs of the body: iteration, condition, carried values. Outputs: condition, carried values, values to be stacked. */
function unroll(node: Node, numberOf: (value: Value) => number): Node[] {
  const body = bodyOf(node, 'body');
  const where = describeNode(node);
  const [trips, condition] = node.inputs;
  const starts = condition === undefined || numberOf(condition) !== 0;
  const count = starts ? numberOf(trips as Value) : 0;
  if (count > MOST_ITERATIONS)
    throw new GlobalPercError(`${where}: ${count} iterations are too many to repeat, ${MOST_ITERATIONS} are the most`, {
      code: 'unsupported-operator',
    });
  requireFixedCondition(body, where);
  const carriedCount = body.inputs.length - 2;
  let carried = node.inputs.slice(2, 2 + carriedCount);
  const [axes, directions] = ['scan_output_axes', 'scan_output_directions'].map((key) => attributesOf(node).ints(key));
  const stacked: Value[][] = body.outputs.slice(1 + carriedCount).map(() => []);
  const nodes: Node[] = [];
  for (let iteration = 0; iteration < count; iteration += 1) {
    const prefix = `${node.name}/${iteration}`;
    const count = makeConstant(`${prefix}/iteration`, constantOf('int64', [], [iteration]));
    const run = instance(body, prefix, [count, condition, ...carried]);
    nodes.push(...run.nodes);
    carried = run.outputs.slice(1, 1 + carriedCount);
    stacked.forEach((parts, i) => void parts.push(run.outputs[1 + carriedCount + i] as Value));
  }
  if (count === 0 && stacked.some((_, i) => node.outputs[carriedCount + i]))
    throw new GlobalPercError(`${where}: the loop does not run, and what it should stack has no shape`, {
      code: 'unsupported-operator',
    });
  return [
    ...nodes,
    ...carried.flatMap((value, i) => passedOn(value, node.outputs[i], `${node.name}/output_${i}`)),
    ...stacked.flatMap((parts, i) => {
      const ordered = directions?.[i] === 1 ? parts.toReversed() : parts;
      return stack(ordered, node.outputs[carriedCount + i], `${node.name}/stacked_${i}`, axes?.[i] ?? 0);
    }),
  ];
}

/** A loop that may end itself would need its condition after every iteration. */
function requireFixedCondition({ inputs, outputs, nodes }: Body, where: string): void {
  let at: Value | undefined = outputs[0];
  const origin = (value: Value): Node | undefined => nodes.find((node) => node.outputs.includes(value));
  while (at && origin(at)?.op === 'Identity') at = origin(at)?.inputs[0];
  const stays = at === inputs[1] || (at?.constant && numbersOf(at.constant)[0] === 1);
  if (!stays)
    throw new GlobalPercError(
      `${where}: the loop ends on a condition of its own; export it with a fixed number of iterations`,
      { code: 'unsupported-operator' },
    );
}

/** The nodes of a body with values of their own. */
function instance(
  body: Body,
  name: string,
  inputs: readonly (Value | undefined)[],
): { nodes: Node[]; outputs: Value[] } {
  for (const node of body.nodes)
    for (const { kind, value } of Object.values(node.attributes))
      if (kind === 'graph')
        throw new GlobalPercError(
          `${describeNode(node)}: control flow inside a loop is not supported (${value.nodes.length} nodes)`,
          { code: 'unsupported-operator' },
        );
  const copies = new Map(body.inputs.map((value, i) => [value, inputs[i] ?? value]));
  const nodes = copyNodes(body.nodes, copies, (own) => `${name}/${own}`);
  return { nodes, outputs: body.outputs.map((value) => copies.get(value) ?? value) };
}

/** One value per iteration along a new dimension. */
function stack(parts: readonly Value[], to: Value | undefined, name: string, axis: number): Node[] {
  if (to === undefined) return [];
  const axes = makeConstant(`${name}/axes`, constantOf('int64', [1], [axis]));
  const rows = parts.map((part, i) => makeValue('Unsqueeze', `${name}/${i}`, [part, axes]));
  const inputs = rows.map(({ value }) => value);
  const attributes = { axis: int(axis) };
  return [...rows.map(({ node }) => node), makeNode({ op: 'Concat', name, inputs, outputs: [to], attributes })];
}
