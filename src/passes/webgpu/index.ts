/**
 * What ONNX Runtime's WebGPU provider takes for its own and does not compute, or computes wrongly (seen in 1.30), and what is
 * done about it: it is rewritten, or left to the CPU. An operator that the provider does not take goes to the CPU by itself.
 */
import { AttributeReader, type Graph, type Node, numbersOf, type Value } from '../../graph/index.js';
import { firstOf, rewriteGraph } from '../transcribe.js';
import { narrowed } from './narrow.js';
import { poolRules } from './pool.js';
import { gatherBackwards, spelledOut } from './spelled-out.js';

/** A graph for one execution provider. */
export interface Lowered {
  readonly graph: Graph;
  /** Names of the nodes that the provider must leave to the CPU. */
  readonly onCpu: readonly string[];
}

/** The graph in operators that the provider has and computes rightly, as far as that is known. */
export function lowerForWebgpu(finished: Graph): Lowered {
  const pooled = rewriteGraph(finished, firstOf(poolRules()));
  // Second, since the rules for pools write Slices.
  const { graph, nodes } = narrowed(rewriteGraph(pooled, firstOf([spelledOut, gatherBackwards])));
  return { graph, onCpu: [...nodes, ...graph.nodes.filter(staysOnCpu).map(({ name }) => name)] };
}

const readerOf = (node: Node): AttributeReader => new AttributeReader(node.attributes, () => node.op);

/** Whether its image has three spatial axes. */
const isVolume = (node: Node): boolean => node.inputs[0]?.shape?.length === 5;

/** By operator: whether the provider must leave a node to the CPU. */
const ON_CPU: Readonly<Record<string, (node: Node) => boolean>> = {
  // "The Indices output is not supported yet."
  MaxPool: ({ outputs }) => outputs[1] !== undefined,
  // "Conv3D does not support grouped convolution."
  Conv: (node) => isVolume(node) && readerOf(node).int('group', 1) > 1,
  // "Only Conv2d or Conv1d are supported."; wrong numbers for groups of several channels.
  ConvTranspose: (node) => isVolume(node) || hasWideGroups(node),
  // Wrong numbers for a dimension that one operand has as 1.
  Einsum: (node) => broadcasts(readerOf(node).string('equation', ''), node.inputs),
  // Wrong numbers where it also crops.
  Pad: (node) => readerOf(node).string('mode', 'constant') === 'wrap' && crops(node),
  // "The antialias attribute of Resize operator is NOT implemented."
  Resize: (node) => readerOf(node).int('antialias', 0) === 1,
};

const staysOnCpu = (node: Node): boolean => ON_CPU[node.op]?.(node) ?? false;

/** Groups of one channel in and one out are computed rightly. */
const hasWideGroups = (node: Node): boolean => {
  const group = readerOf(node).int('group', 1);
  const [inputs, outputs] = node.inputs[1]?.shape ?? [];
  return group > 1 && (inputs !== group || outputs !== 1);
};

/** Whether a label of an equation stands for dimensions of several sizes; the dots may always do so. */
function broadcasts(equation: string, operands: readonly (Value | undefined)[]): boolean {
  const terms = equation.replaceAll(/\s|->.*/g, '').split(',');
  const sized = terms.flatMap((term, i) =>
    [...term].map((label, axis) => [label, operands[i]?.shape?.[axis]] as const),
  );
  return equation.includes('...') || sized.some(([label, size]) => sized.some(([l, s]) => l === label && s !== size));
}

const crops = ({ inputs: [, pads] }: Node): boolean =>
  pads?.constant === undefined || numbersOf(pads.constant).some((pad) => pad < 0);
