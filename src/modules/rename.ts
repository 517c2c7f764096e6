/**
 * Gives the nodes that an optimiser (onnxsim) made, and named `Gemm_2`, names like those of their neighbours: the names
 * of TorchScript's exporter say in which module a node stands.
 */
import type { Graph, Node, Value } from '../graph/index.js';
import type { DataFlow } from './data-flow.js';
import { groupBy } from './group.js';
import { ownersOf } from './owners.js';

/** What ONNX Runtime appends to the name of the first of some nodes that it has made one: `/fc/MatMul/MatMulAddFusion`. */
const FUSION = /\/\w+Fusion\/?(?=\.|$)/;

/** Renames nodes in place. */
export function renameMadeNodes({ nodes }: Graph, flow: DataFlow): void {
  for (const node of nodes) Object.assign(node, { name: node.name.replace(FUSION, '') });
  const isMade = ({ name }: Node): boolean => !name.startsWith('/');
  if (nodes.every(isMade) || !flow.nodes.some(isMade)) return;
  const rename = (node: Node, folder: string | undefined): void => {
    if (folder !== undefined && isMade(node)) Object.assign(node, { name: `${folder}/${node.name}` });
  };
  const scoped = (found: readonly Node[]): string[] =>
    found.filter((node) => !isMade(node)).map(({ name }) => folderOf(name));
  const readersOf = (node: Node): Node[] => node.outputs.flatMap((value) => (value ? [...flow.readers(value)] : []));
  const functional = withoutSomeProducts(nodes);
  // What computes a value keeps the value's name, what reads weights is known by them, the Reshape before a product by it.
  for (const node of flow.nodes) rename(node, fromOutput(node.outputs[0]));
  for (const node of flow.nodes) {
    const neighbours = scoped([...readersOf(node), ...flow.producers(node)]);
    const folder = fromOwner(ownersOf(node, flow)[0], neighbours);
    const isOwn = folder === undefined || neighbours.includes(folder) || !functional.has(folderOf(folder));
    rename(node, (isOwn ? folder : folderOf(folder)) ?? behind(node, readersOf(node)));
  }
  for (const node of flow.nodes.filter(({ op }) => op === 'Reshape')) {
    const [reader, ...others] = readersOf(node);
    if (reader?.op === 'Gemm' && others.length === 0 && !isMade(reader)) rename(node, folderOf(reader.name));
  }
  // From the end, so that what reads a node has its name already.
  for (const node of flow.nodes.toReversed()) {
    rename(node, commonFolder(scoped([...readersOf(node), ...flow.producers(node)])));
  }
}

/** The modules around a node, as its name gives them; '' outside of all. */
export const folderOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')));

/**
 * The modules that compute with the weights of their children themselves: the exporter counted the products in each
 * module, `MatMul`, `MatMul_1`, …, and where one is missing there, it was made anew.
 */
function withoutSomeProducts(nodes: readonly Node[]): Set<string> {
  const named = nodes.filter(({ op, name }) => op === 'MatMul' && /\/MatMul(_\d+)?$/.test(name));
  const folders = groupBy(named, ({ name }) => folderOf(name));
  const numberOf = ({ name }: Node): number => Number(/_(\d+)$/.exec(name)?.[1] ?? 0);
  return new Set(
    Array.from(folders).flatMap(([folder, products]) =>
      Math.max(...products.map(numberOf)) >= products.length ? [folder] : [],
    ),
  );
}

/** `/mlp/fc1/Add_output_0` was computed in `/mlp/fc1`. */
const fromOutput = (output: Value | undefined): string | undefined =>
  output && /^\/.*_output_\d+$/.test(output.name) ? folderOf(output.name) : undefined;

/** `blocks.0.mlp.fc1` stands in the folder of a neighbour that ends like `blocks.0.mlp`. */
function fromOwner(owner: string | undefined, neighbours: readonly string[]): string | undefined {
  if (owner === undefined) return undefined;
  const parent = owner.slice(0, Math.max(0, owner.lastIndexOf('.')));
  const name = owner.slice(parent.length).replace(/^\./, '');
  for (const neighbour of neighbours) {
    for (let folder = neighbour; folder !== ''; folder = folderOf(folder)) {
      const component = folder.slice(folder.lastIndexOf('/') + 1);
      if (parent === component || parent.endsWith(`.${component}`)) {
        // The modules of a Sequential repeat its name.
        return /^\d+$/.test(name) ? `${folder}/${component}.${name}` : `${folder}/${name}`;
      }
    }
  }
  return parent === '' ? `/${name}` : undefined;
}

/** The Reshape behind a product belongs to the same module. */
const behind = ({ op }: Node, [reader]: readonly Node[]): string | undefined =>
  op === 'Gemm' && reader?.op === 'Reshape' && reader.name.startsWith('/') ? folderOf(reader.name) : undefined;

function commonFolder(folders: readonly string[]): string | undefined {
  const [first, ...others] = folders;
  if (first === undefined) return undefined;
  let common = first;
  while (common !== '' && !others.every((folder) => `${folder}/`.startsWith(`${common}/`))) common = folderOf(common);
  return common;
}
