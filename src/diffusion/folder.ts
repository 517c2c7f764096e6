/** The folders that diffusers keeps a pipeline in. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { placedStateDict } from '../data/state-dict.js';
import { openForReading, readBytes } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import type { DownloadOptions } from '../hub/index.js';
import { fetchHubFiles, parseHubId } from '../hub/node.js';
import type { AnyModule } from '../nn/index.js';
import { isObject, string, within } from '../options/index.js';
import { rememberSchedule } from './denoiser.js';
import { AutoencoderKL } from './networks/autoencoder-kl.js';
import { AutoencoderTiny } from './networks/autoencoder-tiny.js';
import { CLIPTextModel } from './networks/clip-text.js';
import { UNet2DConditionModel } from './networks/unet.js';
import { DDPM } from './schedulers/ddpm.js';
import { CLIPTokenizer, type CLIPTokenizerOptions } from './tokenizer.js';

type Config = Readonly<Record<string, unknown>>;

/** Names of files with weights, the first that is there is taken. */
const WEIGHTS = ['diffusion_pytorch_model', 'model', 'pytorch_model'].flatMap((name) =>
  ['.safetensors', '.fp16.safetensors', '.safetensors.index.json', '.bin'].map((ending) => name + ending),
);

async function isThere(path: string): Promise<boolean> {
  return openForReading(path).then(
    () => true,
    () => false,
  );
}

/** A configuration file. @throws GlobalPercError when it is damaged; undefined when there is none. */
async function readConfig(path: string): Promise<Config | undefined> {
  if (!(await isThere(path))) return undefined;
  const text = new TextDecoder().decode(await readBytes(path));
  try {
    const config: unknown = JSON.parse(text);
    if (isObject(config)) return config;
  } catch {
    // Said below.
  }
  throw new GlobalPercError(`'${path}' is damaged: it should hold a JSON object`, { code: 'invalid-file' });
}

/** A pipeline in a folder, as `save_pretrained` of diffusers writes it: `unet/`, `vae/`, `text_encoder/`, `scheduler/`. */
export class PipelineFolder {
  readonly folder: string;
  /** The parsed configuration files by folder; `scheduler` is what `DDIM.fromConfig` and others take. */
  readonly configs: Readonly<Record<string, Config>>;

  private constructor(folder: string, configs: Readonly<Record<string, Config>>) {
    this.folder = folder;
    this.configs = configs;
  }

  /**
   * Reads the configuration files, no weights. A name such as `stable-diffusion-v1-5/stable-diffusion-v1-5` (with `@revision`, if wanted),
   * where there is no such folder, is a repository of the Hugging Face hub, whose parts are downloaded into the hub's own cache once.
   * @throws GlobalPercError when there is no `unet/config.json`, a file is damaged, the widths of two parts do not agree, or a download fails.
   */
  static async open(source: string, options: DownloadOptions = {}): Promise<PipelineFolder> {
    string(source, 'PipelineFolder.open: folder');
    const folder = await folderOf(source, options);
    const files = { unet: 'config', vae: 'config', text_encoder: 'config', scheduler: 'scheduler_config' };
    const found = await Promise.all(
      Object.entries(files).map(
        async ([part, file]) => [part, await readConfig(join(folder, part, `${file}.json`))] as const,
      ),
    );
    const configs = Object.fromEntries(found.filter((entry): entry is [string, Config] => entry[1] !== undefined));
    if (configs.unet === undefined) throw noPipeline(folder, 'name the folder that holds unet/ and vae/');
    requireEqual(configs, ['unet', 'cross_attention_dim'], ['text_encoder', 'hidden_size']);
    requireEqual(configs, ['unet', 'in_channels'], ['vae', 'latent_channels']);
    return new PipelineFolder(folder, configs);
  }

  /** What the U-Net was trained with. @throws GlobalPercError when there is no `scheduler/`, or it is not offered. */
  noise(): DDPM {
    return DDPM.fromConfig(this.configOf('scheduler'));
  }

  /** The U-Net with its weights in float32, in evaluation mode. @throws GlobalPercError when weights are missing or others. */
  async unet(): Promise<UNet2DConditionModel> {
    const unet = await this.loaded('unet', UNet2DConditionModel.fromConfig(this.configOf('unet')));
    if (this.configs.scheduler) rememberSchedule(unet, this.noise());
    return unet;
  }

  /** The autoencoder, by the class that its configuration names. Throws as `unet`. */
  async vae(): Promise<AutoencoderKL | AutoencoderTiny> {
    this.configOf('vae');
    return loadAutoencoder(join(this.folder, 'vae'));
  }

  /** The text encoder. Throws as `unet`. */
  async textEncoder(): Promise<CLIPTextModel> {
    return this.loaded('text_encoder', CLIPTextModel.fromConfig(this.configOf('text_encoder')));
  }

  /** The tokenizer, of `vocab.json` and `merges.txt` or of a `tokenizer.json`. @throws GlobalPercError when they are missing or damaged. */
  async tokenizer(): Promise<CLIPTokenizer> {
    const path = (name: string): string => join(this.folder, 'tokenizer', name);
    const about = await readConfig(path('tokenizer_config.json'));
    const vocab = await readConfig(path('vocab.json'));
    const whole = vocab ? undefined : await readConfig(path('tokenizer.json'));
    if (vocab === undefined && whole === undefined) {
      throw new GlobalPercError(`'${path('')}' has no vocab.json with merges.txt, and no tokenizer.json`, {
        code: 'io',
      });
    }
    const model = (whole?.model ?? {}) as Partial<CLIPTokenizerOptions>;
    const merges = vocab ? new TextDecoder().decode(await readBytes(path('merges.txt'))).split('\n') : model.merges;
    // A token is written as itself or as an object.
    const pad = isObject(about?.pad_token) ? about.pad_token.content : about?.pad_token;
    const length = about?.model_max_length;
    return within(path(''), () => {
      return new CLIPTokenizer({
        ...({ vocab: vocab ?? model.vocab, merges } as Pick<CLIPTokenizerOptions, 'vocab' | 'merges'>),
        ...(typeof pad === 'string' && { padToken: pad }),
        ...(typeof length === 'number' && { modelMaxLength: length }),
      });
    });
  }

  /** The file, or the index of several, that holds the weights of a part: `unet`, `vae`, `text_encoder`. @throws GlobalPercError when there is none. */
  async weightsFile(part: string): Promise<string> {
    return weightsIn(join(this.folder, part));
  }

  private configOf(part: string): Config {
    const config = this.configs[part];
    if (config) return config;
    throw new GlobalPercError(`'${this.folder}' has no ${part}/ with its configuration file`, { code: 'io' });
  }

  private loaded<M extends AnyModule>(part: string, module: M): Promise<M> {
    return loaded(join(this.folder, part), module);
  }
}

/**
 * An autoencoder of a folder with its `config.json`, by the class that this names: the `vae/` of a pipeline, or one for itself, such as TAESD's.
 * @throws GlobalPercError when there is none, or weights are missing or others.
 */
export async function loadAutoencoder(folder: string): Promise<AutoencoderKL | AutoencoderTiny> {
  const config = await readConfig(join(string(folder, 'loadAutoencoder: folder'), 'config.json'));
  if (config === undefined)
    throw new GlobalPercError(`'${folder}' is no autoencoder of diffusers: there is no config.json`, { code: 'io' });
  const tiny = config._class_name === 'AutoencoderTiny';
  const module = tiny ? AutoencoderTiny.fromConfig(config) : AutoencoderKL.fromConfig(config);
  return loaded<AutoencoderKL | AutoencoderTiny>(folder, module);
}

async function weightsIn(folder: string): Promise<string> {
  for (const name of WEIGHTS) if (await isThere(join(folder, name))) return join(folder, name);
  throw withoutWeights(folder);
}

const withoutWeights = (folder: string): GlobalPercError =>
  new GlobalPercError(`'${folder}' has no weights: expected ${WEIGHTS[0]} or ${WEIGHTS[4]}`, { code: 'io' });

const noPipeline = (source: string, remedy: string): GlobalPercError =>
  new GlobalPercError(`'${source}' is no pipeline of diffusers: there is no unet/config.json; ${remedy}`, {
    code: 'io',
  });

/** A module with the weights of its folder, in evaluation mode. */
async function loaded<M extends AnyModule>(folder: string, module: M): Promise<M> {
  const state = await placedStateDict(await weightsIn(folder));
  within(folder, () => module.loadStateDict(state));
  module.eval();
  return module;
}

/** The folder itself, or that of a repository of the hub. */
async function folderOf(source: string, options: DownloadOptions): Promise<string> {
  const isFolder = await stat(source).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const { repo, ...revision } = (isFolder ? undefined : parseHubId(source)) ?? {};
  return repo === undefined
    ? source
    : fetchHubFiles(repo, (paths) => partsIn(repo, paths), { ...options, ...revision });
}

/**
 * What of a repository a pipeline reads: configurations, the tokenizer, and one form of each part's weights.
 * @throws GlobalPercError when it is no pipeline, before gigabytes of it are downloaded.
 */
function partsIn(repo: string, paths: readonly string[]): string[] {
  if (!paths.includes('unet/config.json')) throw noPipeline(repo, 'name a repository that holds unet/ and vae/');
  const weights = ['unet', 'vae', 'text_encoder'].flatMap((part) => {
    const name = WEIGHTS.find((each) => paths.includes(`${part}/${each}`));
    if (name === undefined && paths.includes(`${part}/config.json`)) throw withoutWeights(`${repo}/${part}`);
    const shards = name?.endsWith('.index.json')
      ? `${part}/${name.slice(0, -'.safetensors.index.json'.length)}-`
      : undefined;
    return paths.filter(
      (path) => path === `${part}/${name}` || (shards && path.startsWith(shards) && path.endsWith('.safetensors')),
    );
  });
  const about = paths.filter((path) =>
    /^((unet|vae|text_encoder|scheduler)\/\w*config\.json|tokenizer\/[^/]+)$/.test(path),
  );
  return [...about, ...weights];
}

/** @throws GlobalPercError where two parts say other sizes of what goes from one to the other. */
function requireEqual(
  configs: Readonly<Record<string, Config>>,
  [part, key]: readonly [string, string],
  [other, otherKey]: readonly [string, string],
): void {
  const [mine, theirs] = [configs[part]?.[key], configs[other]?.[otherKey]];
  if (mine === undefined || theirs === undefined || mine === theirs) return;
  throw new GlobalPercError(
    `the parts do not go together: ${part}/ has ${key} ${JSON.stringify(mine)}, ${other}/ ${otherKey} ${JSON.stringify(theirs)}; take both of one pipeline`,
    { code: 'invalid-file' },
  );
}
