/** Weights of DINOv2 as Hugging Face's transformers and timm name them, by the names of the original. */
import { differences, GlobalPercError, type Shape } from '../graph/index.js';
import { converted, type StoredTensor } from '../nn/conversion.js';

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

/** transformers 5 calls its modules otherwise than its files do: so does what `torch.save(model.state_dict())` writes. */
const PROJECTIONS: Readonly<Record<string, string>> = {
  q: 'attention.query',
  k: 'attention.key',
  v: 'attention.value',
  o: 'output.dense',
};
const inFiles = (name: string): string =>
  name
    .replace(BACKBONE, '')
    .replace(/\.attention\.([qkvo])_proj\./, (_, part: string) => `.attention.${PROJECTIONS[part]}.`);

/**
 * A state dict by the original's names; one that has them already is returned as it is.
 * @param expected our weights and their shapes.
 * @throws GlobalPercError listing Hugging Face's names that are missing, not known, or of another shape.
 */
export function fromHuggingFace(state: State, expected: ReadonlyMap<string, { readonly shape: Shape }>): State {
  const found = new Map(
    Object.entries(state)
      .filter(([name]) => !name.startsWith('classifier.'))
      .map(([name, tensor]) => [inFiles(name), tensor]),
  );
  if (![...found.keys()].some((name) => name.startsWith('embeddings.'))) return state;
  const sources = Array.from(expected, ([name, { shape }]) => ({ name, shape, parts: sourcesOf(name) }));
  const complaints = differences(
    new Map(Array.from(found, ([name, { dims }]) => [name, dims])),
    new Map(sources.flatMap(({ shape, parts }) => parts.map((part) => [part, splitShape(shape, parts.length)]))),
    'the model',
  );
  if (complaints !== '')
    throw new GlobalPercError(`the weights are not those of this model: ${complaints}`, { code: 'invalid-file' });
  return Object.fromEntries(
    sources.map(({ name, parts }) => [name, stacked(parts.map((part) => found.get(part) as StoredTensor))]),
  );
}

/**
 * timm's state dict by the original's names; any other is returned as it is. timm drops `mask_token`, and where there are
 * registers it adds the class token's position to the class token.
 */
export function fromTimm(state: State, expected: ReadonlyMap<string, { readonly shape: Shape }>): State {
  if ('mask_token' in state || !('cls_token' in state)) return state;
  const { reg_token: registers, pos_embed: positions, ...others } = state;
  const [, length = 0, width = 0] = expected.get('pos_embed')?.shape ?? [];
  return {
    ...others,
    mask_token: zeros([1, width]),
    ...(registers && { register_tokens: registers }),
    ...(positions && {
      pos_embed:
        registers && positions.dims[1] === length - 1
          ? {
              ...stacked([zeros([1, width]), { ...positions, dims: positions.dims.slice(1) }]),
              dims: [1, length, width],
            }
          : positions,
    }),
  };
}

const zeros = ([rows, columns]: [number, number]): StoredTensor => ({
  dtype: 'float32',
  dims: [rows, columns],
  data: new Float32Array(rows * columns),
});

const splitShape = ([first = 1, ...rest]: Shape, count: number): Shape => [first / count, ...rest];

/** The tensors one after the other along their first dimension. */
function stacked(parts: readonly StoredTensor[]): StoredTensor {
  const [first] = parts as [StoredTensor];
  if (parts.length === 1) return first;
  const values = parts.map((part) => converted(part, 'float32', '') as Float32Array);
  const data = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of values) {
    data.set(part, end);
    end += part.length;
  }
  const rows = parts.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0);
  return { dtype: 'float32', dims: [rows, ...first.dims.slice(1)], data };
}
