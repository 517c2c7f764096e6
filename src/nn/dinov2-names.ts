/** Weights of DINOv2 as Hugging Face's transformers names them, by the names of the original. */
import { differences, GlobalPercError, type Shape } from '../graph/index.js';
import { converted, type StoredTensor } from './conversion.js';

type State = Readonly<Record<string, StoredTensor>>;

/** Our name, or the beginning or end of it, → Hugging Face's (https://huggingface.co/facebook/dinov2-small). */
const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^(cls_token|mask_token|register_tokens)$/, 'embeddings.$1'],
  [/^pos_embed$/, 'embeddings.position_embeddings'],
  [/^patch_embed\.proj\./, 'embeddings.patch_embeddings.projection.'],
  [/^norm\./, 'layernorm.'],
  [/^blocks\./, 'encoder.layer.'],
  [/\.attn\.proj\./, '.attention.output.dense.'],
  [/\.ls([12])\.gamma$/, '.layer_scale$1.lambda1'],
];

/** The tensors that make up one of ours: queries, keys and values are apart in Hugging Face's files. */
function sourcesOf(name: string): string[] {
  const renamed = RENAMED.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), name);
  if (!renamed.includes('.attn.qkv.')) return [renamed];
  return ['query', 'key', 'value'].map((part) => renamed.replace('.attn.qkv.', `.attention.attention.${part}.`));
}

/** What models with a head put before the names of the part that is ours. */
const BACKBONE = /^(dinov2|dinov2_with_registers)\./;

/**
 * A state dict by the original's names; one that has them already is returned as it is.
 * @param expected our weights and their shapes.
 * @throws GlobalPercError listing Hugging Face's names that are missing, not known, or of another shape.
 */
export function fromHuggingFace(state: State, expected: ReadonlyMap<string, { readonly shape: Shape }>): State {
  const found = new Map(
    Object.entries(state)
      .filter(([name]) => !name.startsWith('classifier.'))
      .map(([name, tensor]) => [name.replace(BACKBONE, ''), tensor]),
  );
  if (![...found.keys()].some((name) => name.startsWith('embeddings.'))) return state;
  const sources = Array.from(expected, ([name, { shape }]) => ({ name, shape, parts: sourcesOf(name) }));
  const complaints = differences(
    new Map(Array.from(found, ([name, { dims }]) => [name, dims])),
    new Map(sources.flatMap(({ shape, parts }) => parts.map((part) => [part, splitShape(shape, parts.length)]))),
    'the model',
  );
  if (complaints !== '') throw new GlobalPercError(`the weights are not those of this model: ${complaints}`);
  return Object.fromEntries(
    sources.map(({ name, parts }) => [name, stacked(parts.map((part) => found.get(part) as StoredTensor))]),
  );
}

const splitShape = ([first = 1, ...rest]: Shape, count: number): Shape => [first / count, ...rest];

/** The tensors one after the other along their first dimension. */
function stacked(parts: readonly StoredTensor[]): StoredTensor {
  const [first] = parts as [StoredTensor];
  if (parts.length === 1) return first;
  const [rows = 0, ...rest] = first.dims;
  const data = new Float32Array(parts.length * first.data.length);
  for (const [i, part] of parts.entries())
    data.set(converted(part, 'float32', '') as Float32Array, i * first.data.length);
  return { dtype: 'float32', dims: [parts.length * rows, ...rest], data };
}
