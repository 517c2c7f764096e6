/** Attention in the forms that files hold it in, spelled out: scores, mask, softmax, sum. */
import { GlobalPercError, int, ints, type Value } from '../graph/index.js';
import type { Draft } from './draft.js';

/** What attention computes with: `[B, heads, L, E]`, `[B, heads, S, E]`, `[B, heads, S, V]`. */
interface Heads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** Refuses inputs by position that no expansion covers. */
function refuse(draft: Draft, positions: Readonly<Record<number, string>>): void {
  for (const [position, name] of Object.entries(positions)) {
    if (draft.inputs[Number(position)] === undefined) continue;
    throw new GlobalPercError(`${draft.where}: its input ${name} is not supported; use the file before optimisation`);
  }
}

/** `[B, L, heads·E]` → `[B, heads, L, E]` */
function split(draft: Draft, x: Value, heads: number): Value {
  const rows = draft.prepend('Reshape', [x, draft.ints('split', [0, 0, heads, -1])]);
  return draft.prepend('Transpose', [rows], { perm: ints([0, 2, 1, 3]) });
}

/** `[B, heads, L, E]` → `[B, L, heads·E]` */
function join(draft: Draft, x: Value): Value {
  const rows = draft.prepend('Transpose', [x], { perm: ints([0, 2, 1, 3]) });
  return draft.prepend('Reshape', [rows, draft.ints('join', [0, 0, -1])]);
}

/** softmax(scale·q·kᵀ + bias)·v; the scale is 1/√E unless it is given. */
function attend(draft: Draft, { query, key, value }: Heads, bias: Value | undefined): Value {
  const given = draft.read.float('scale', 0);
  const turned = draft.prepend('Transpose', [key], { perm: ints([0, 1, 3, 2]) });
  const scores = draft.prepend('MatMul', [query, turned]);
  const scaled = draft.prepend(given ? 'Mul' : 'Div', [
    scores,
    given ? draft.scalar('scale', given) : rootOfWidth(draft, query),
  ]);
  const weights = draft.prepend('Softmax', [bias ? draft.prepend('Add', [scaled, bias]) : scaled], { axis: int(-1) });
  return draft.prepend('MatMul', [weights, value]);
}

/** √E, from the shape. */
function rootOfWidth(draft: Draft, query: Value): Value {
  const width = draft.prepend('Shape', [query], { start: int(-1) });
  return draft.prepend('Sqrt', [draft.prepend('Cast', [width], { to: int(FLOAT) })]);
}

/** TensorProto.DataType.FLOAT */
const FLOAT = 1;

/** −∞ where a key comes after the query, `[L, S]`. */
function causal(draft: Draft, { query, key }: Heads): Value {
  const size = (x: Value): Value => draft.prepend('Shape', [x], { start: int(2), end: int(3) });
  const shape = draft.prepend('Concat', [size(query), size(key)], { axis: int(0) });
  const low = draft.prepend('Expand', [draft.scalar('low', -3.4028234663852886e38), shape]);
  return draft.prepend('Trilu', [low, draft.ints('diagonal', [1])], { upper: int(1) });
}

const both = (draft: Draft, a: Value | undefined, b: Value | undefined): Value | undefined =>
  a && b ? draft.prepend('Add', [a, b]) : (a ?? b);

/** com.microsoft.Attention: projections in one matrix `[D, 3·heads·E]`, then attention. */
export function expandAttention(draft: Draft): Value[] {
  refuse(draft, { 3: 'mask_index', 4: 'past' });
  if (draft.read.has('qkv_hidden_sizes'))
    throw new GlobalPercError(`${draft.where}: qkv_hidden_sizes is not supported; use the file before optimisation`);
  const [x, weights, bias, , , given] = draft.inputs as [Value, Value, Value?, Value?, Value?, Value?];
  const product = draft.prepend('MatMul', [x, weights]);
  const [query, key, value] = parts(draft, bias ? draft.prepend('Add', [product, bias]) : product);
  return [attendSplit(draft, { query, key, value }, given)];
}

/** Queries, keys and values that lie behind one another in the last dimension. */
function parts(draft: Draft, packed: Value): [Value, Value, Value] {
  const outputs = draft.prependAll('Split', [packed], 3, { axis: int(-1), num_outputs: int(3) });
  return outputs as [Value, Value, Value];
}

function attendSplit(draft: Draft, { query, key, value }: Heads, given: Value | undefined): Value {
  const count = draft.read.int('num_heads', 1);
  const heads = { query: split(draft, query, count), key: split(draft, key, count), value: split(draft, value, count) };
  const later = draft.read.int('unidirectional', 0) ? causal(draft, heads) : undefined;
  return join(draft, attend(draft, heads, both(draft, given, later)));
}

/** com.microsoft.MultiHeadAttention: queries, keys and values `[B, L, heads·E]`, with their biases in one. */
export function expandMultiHeadAttention(draft: Draft): Value[] {
  refuse(draft, { 4: 'key_padding_mask', 6: 'past_key', 7: 'past_value' });
  const [query, key, value, bias, , given] = draft.inputs;
  if (!query || !key || !value)
    throw new GlobalPercError(
      `${draft.where}: packed queries, keys and values are not supported; use the file before optimisation`,
    );
  const biases = bias ? parts(draft, bias) : [];
  const shifted = [query, key, value].map((x, i) => (biases[i] ? draft.prepend('Add', [x, biases[i]]) : x));
  const [q, k, v] = shifted as [Value, Value, Value];
  return [attendSplit(draft, { query: q, key: k, value: v }, given)];
}

/** The standard Attention of operator set 23, on `[B, heads, L, E]` or, with the numbers of heads, `[B, L, heads·E]`. */
export function expandStandardAttention(draft: Draft): Value[] {
  refuse(draft, { 4: 'past_key', 5: 'past_value', 6: 'nonpad_kv_seqlen' });
  const [query, key, value, given] = draft.inputs as [Value, Value, Value, Value?];
  const { read } = draft;
  const [queryHeads, keyHeads] = [read.int('q_num_heads', 0), read.int('kv_num_heads', 0)];
  if (queryHeads !== keyHeads || read.float('softcap', 0) !== 0 || draft.outputs.slice(1).some(Boolean)) {
    throw new GlobalPercError(
      `${draft.where}: grouped queries, softcap and further outputs are not supported; export with an older opset`,
    );
  }
  const packed = queryHeads > 0;
  const head = (x: Value): Value => (packed ? split(draft, x, queryHeads) : x);
  const heads = { query: head(query), key: head(key), value: head(value) };
  if (given?.dtype === 'bool')
    throw new GlobalPercError(`${draft.where}: a mask of booleans is not supported; export with an older opset`);
  const later = read.int('is_causal', 0) ? causal(draft, heads) : undefined;
  const result = attend(draft, heads, both(draft, given, later));
  return [packed ? join(draft, result) : result];
}
