/** LoRA in files, under the names of diffusers and of kohya's scripts. */
import { formatSafetensors, parseSafetensors, type SafeTensor } from '../data/safetensors.js';
import { GlobalPercError, listed, sizeOf } from '../graph/index.js';
import { converted } from '../nn/conversion.js';
import { type AnyModule, attachLora, LoraAdapters, type LoraSite, loraSites, Module } from '../nn/index.js';
import { type Checks, checkOptions, instanceOf, isObject, oneOf } from '../options/index.js';

/** Of which part of a pipeline the layers are. */
export type LoraPart = 'unet' | 'text_encoder';

/** Options of `formatLora` and `saveLora`. */
export interface LoraFileOptions {
  /** `unet.….to_q.lora_A.weight`, or `lora_unet_…_to_q.lora_down.weight` as kohya's scripts, WebUI and ComfyUI have it. Default `diffusers`. */
  readonly naming?: 'diffusers' | 'kohya';
  /** Default `unet`. */
  readonly part?: LoraPart;
}

/** Options of `parseLora` and `loadLora`. */
export interface LoraPartOptions {
  /** Default `unet`; layers of the other part are passed over. */
  readonly part?: LoraPart;
}

const part = oneOf('unet', 'text_encoder');
export const fileChecks: Checks<LoraFileOptions> = { naming: oneOf('diffusers', 'kohya'), part };
export const partChecks: Checks<LoraPartOptions> = { part };

const KOHYA: Readonly<Record<LoraPart, string>> = { unet: 'lora_unet_', text_encoder: 'lora_te_' };

/** diffusers' key of the settings, among the texts of a file. */
const METADATA = 'lora_adapter_metadata';

const isAdapters = instanceOf(LoraAdapters, 'what nn.lora gives');
const isModule = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');

/**
 * Adapters as the bytes of a safetensors file. diffusers (`load_lora_weights`) reads both namings.
 * @throws GlobalPercError for what are no adapters, and on an option that is not known.
 */
export function formatLora(adapters: LoraAdapters, options: LoraFileOptions = {}): Uint8Array {
  const { layers } = isAdapters(adapters, 'formatLora: adapters');
  const { naming = 'diffusers', part = 'unet' } = checkOptions(options, fileChecks, 'formatLora');
  const tensors: Record<string, SafeTensor> = {};
  const bare = withoutWrapper(loraSites(adapters.module).keys(), part);
  for (const [path, { a, b, alpha }] of layers) {
    const put = (key: string, dims: readonly number[], data: Float32Array): void => {
      tensors[key] = { dtype: 'float32', dims, data };
    };
    const name = naming === 'kohya' ? KOHYA[part] + bare(path).replaceAll('.', '_') : `${part}.${bare(path)}`;
    put(`${name}.${naming === 'kohya' ? 'lora_down' : 'lora_A'}.weight`, a.shape, a.data);
    put(`${name}.${naming === 'kohya' ? 'lora_up' : 'lora_B'}.weight`, b.shape, b.data);
    if (naming === 'kohya') put(`${name}.alpha`, [], Float32Array.of(alpha));
  }
  return formatSafetensors(
    tensors,
    naming === 'diffusers' ? { format: 'pt', [METADATA]: settings(adapters, part, bare) } : {},
  );
}

/** Paths without what an exported model was wrapped in, where all begin with that: `self.unet = unet`. */
function withoutWrapper(paths: Iterable<string>, part: LoraPart): (path: string) => string {
  const all = [...paths];
  const wrapper = [`${part}.`, 'model.'].find((name) => all.every((path) => path.startsWith(name))) ?? '';
  return (path) => path.slice(wrapper.length);
}

/** What peft's LoraConfig is told; the first layer's rank and alpha are those of all that no pattern names. */
function settings({ layers }: LoraAdapters, part: LoraPart, bare: (path: string) => string): string {
  const [first] = layers.values();
  const others = (key: 'rank' | 'alpha'): object =>
    Object.fromEntries(
      Array.from(layers).flatMap(([path, layer]) => (layer[key] === first?.[key] ? [] : [[bare(path), layer[key]]])),
    );
  const config = {
    r: first?.rank,
    lora_alpha: first?.alpha,
    target_modules: [...layers.keys()].map(bare),
    rank_pattern: others('rank'),
    alpha_pattern: others('alpha'),
  };
  return JSON.stringify(Object.fromEntries(Object.entries(config).map(([key, value]) => [`${part}.${key}`, value])));
}

/** What a file holds of one layer. */
interface Found {
  a?: SafeTensor;
  b?: SafeTensor;
  alpha?: number;
}

/** The ends of keys, by what they hold; `lora.down` is of diffusers before 0.22. */
const ROLES: readonly (readonly [RegExp, keyof Found])[] = [
  [/(\.lora_A|\.lora_down|\.lora\.down|_lora\.down)\.weight$/, 'a'],
  [/(\.lora_B|\.lora_up|\.lora\.up|_lora\.up)\.weight$/, 'b'],
  [/\.alpha$/, 'alpha'],
];

/**
 * Puts the adapters of a safetensors file, of either naming, on the layers of a module that they are of; ranks are the file's.
 * @param source the file's name, for messages.
 * @throws GlobalPercError when the file is damaged or has no adapters of the part, and listing the keys when it is a LoRA of
 * another model; then nothing is changed.
 */
export function parseLora(
  module: AnyModule,
  bytes: Uint8Array,
  source: string,
  options: LoraPartOptions = {},
): LoraAdapters {
  isModule(module, 'parseLora: module');
  const { part = 'unet' } = checkOptions(options, partChecks, 'parseLora');
  const { tensors, metadata } = parseSafetensors(bytes, source);
  const sites = loraSites(module);
  const { layers, unknown } = layersOf(tensors, sites, part);
  const wrong = Array.from(layers).flatMap(([path, found]) => complaint(path, found, sites.get(path) as LoraSite));
  if (unknown.length > 0 || wrong.length > 0) {
    const parts = [
      ...(unknown.length > 0 ? [`no layer of the model has ${listed(unknown)}`] : []),
      ...(wrong.length > 0 ? [listed(wrong)] : []),
    ];
    throw new GlobalPercError(`${source} is a LoRA of another model: ${parts.join('; ')}`, { code: 'invalid-file' });
  }
  if (layers.size === 0) {
    throw new GlobalPercError(
      `${source} has no adapters for '${part}': expected keys such as ${part}.….lora_A.weight or ${KOHYA[part]}….lora_down.weight, there are ${listed([...tensors.keys()]) || 'none'}`,
      { code: 'invalid-file' },
    );
  }
  const alphaOf = alphas(metadata, part, source);
  const bare = withoutWrapper(sites.keys(), part);
  const adapters = attachLora(
    module,
    new Map(
      Array.from(layers, ([path, { a, alpha }]) => {
        const rank = (a as SafeTensor).dims[0] as number;
        return [path, { rank, alpha: alpha ?? alphaOf(bare(path)) ?? rank }] as const;
      }),
    ),
  );
  for (const [path, { a, b }] of adapters.layers) {
    const found = layers.get(path) as Required<Found>;
    a.data = converted(found.a, 'float32', path) as Float32Array;
    b.data = converted(found.b, 'float32', path) as Float32Array;
  }
  return adapters;
}

/** The layers of a part by path, and the keys whose layer the model does not have. */
function layersOf(
  tensors: ReadonlyMap<string, SafeTensor>,
  sites: ReadonlyMap<string, LoraSite>,
  part: LoraPart,
): { readonly layers: Map<string, Found>; readonly unknown: string[] } {
  // kohya's names do not tell which of their underscores are dots.
  const bare = withoutWrapper(sites.keys(), part);
  const paths = new Map(
    [...sites.keys()].flatMap((path) => [
      [`${part}.${bare(path)}`, path] as const,
      [KOHYA[part] + bare(path).replaceAll('.', '_'), path] as const,
    ]),
  );
  const layers = new Map<string, Found>();
  const unknown: string[] = [];
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(`${part}.`) && !key.startsWith(KOHYA[part])) continue;
    const [end, role] = ROLES.find(([pattern]) => pattern.test(key)) ?? [];
    // Attention processors of old files stand beside what they process.
    const name = end && key.replace(end, '').replace('.processor', '');
    const path = name && (paths.get(name) ?? paths.get(name.replace(/to_out$/, 'to_out.0')));
    if (role === undefined || path === undefined || path === '') {
      unknown.push(key);
      continue;
    }
    const found = layers.get(path) ?? {};
    if (role === 'alpha') found.alpha = (converted(tensor, 'float32', key) as Float32Array)[0] as number;
    else found[role] = tensor;
    layers.set(path, found);
  }
  return { layers, unknown };
}

/** What does not fit, if anything. */
function complaint(path: string, { a, b }: Found, { weight, transposed }: LoraSite): string[] {
  if (a === undefined || b === undefined) return [`${path} lacks ${a === undefined ? 'A (down)' : 'B (up)'}`];
  const [out = 1, ...rest] = transposed ? weight.shape.toReversed() : weight.shape;
  const rank = a.dims[0] as number;
  const fits = sizeOf(a.dims) === rank * sizeOf(rest) && sizeOf(b.dims) === rank * out;
  return fits ? [] : [`${path} is [${b.dims}]·[${a.dims}], the model's weight [${out},${rest}]`];
}

/** The alpha of a layer, as the settings in a file of diffusers tell it. */
function alphas(
  metadata: Readonly<Record<string, string>>,
  part: LoraPart,
  source: string,
): (path: string) => number | undefined {
  const text = metadata[METADATA];
  if (text === undefined) return () => undefined;
  const { [`${part}.lora_alpha`]: alpha, [`${part}.alpha_pattern`]: pattern } = parsed(text, source);
  const own = isObject(pattern) ? pattern : {};
  return (path) => [own[path], alpha].find((value) => typeof value === 'number') as number | undefined;
}

function parsed(text: string, source: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new GlobalPercError(`${source} is damaged: its ${METADATA} should be a JSON object`, { code: 'invalid-file' });
}
