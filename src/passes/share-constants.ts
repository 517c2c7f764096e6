/** Equal constants as one: what several parts of a graph have brought along, or folding has made more than once. */
import type { ConstantData, Graph, Value } from '../graph/index.js';

/** Lets, in place, all nodes read the first of the constants that have the same type, shape and bytes. */
export function shareConstants(graph: Graph): void {
  const firsts = new Map<string, Value[]>();
  const known = new Map<Value, Value>();
  const shared = (value: Value | undefined): Value | undefined => {
    if (value?.constant === undefined) return value;
    const found = known.get(value) ?? firstEqual(value, value.constant, firsts);
    known.set(value, found);
    return found;
  };
  for (const node of graph.nodes) node.inputs = node.inputs.map(shared);
}

/** So many bytes tell different weights apart, nearly always. */
const BEGINNING = 64;

/** Only those of one type and shape, and of one beginning, are compared. @param firsts different constants, by what they have in common. */
function firstEqual(value: Value, constant: ConstantData, firsts: Map<string, Value[]>): Value {
  const { dtype, shape, place } = constant;
  // Bytes that stay in a file are not read for this: the same part of it is the same constant.
  const identity = place
    ? JSON.stringify([place.folder, place.location, place.offset])
    : `${constant.bytes.subarray(0, BEGINNING)}`;
  const key = `${dtype}[${shape}] ${identity}`;
  const others = firsts.get(key) ?? [];
  const found = others.find((other) => place !== undefined || sameBytes(constant, other.constant as ConstantData));
  if (found) return found;
  others.push(value);
  firsts.set(key, others);
  return value;
}

/** Different weights differ among their first bytes, so this takes long only where they are equal. */
function sameBytes({ bytes: a }: ConstantData, { bytes: b }: ConstantData): boolean {
  if (a === b) return true;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
