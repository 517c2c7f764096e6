/** The folders that diffusers keeps a pipeline in. */
import { join } from 'node:path';
import type { SafeTensor } from '../data/safetensors.js';
import { readStateDict } from '../data/state-dict.js';
import { openForReading, readBytes } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
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
   * Reads the configuration files, no weights.
   * @throws GlobalPercError when there is no `unet/config.json`, a file is damaged, or the widths of two parts do not agree.
   */
  static async open(folder: string): Promise<PipelineFolder> {
    string(folder, 'PipelineFolder.open: folder');
    const files = { unet: 'config', vae: 'config', text_encoder: 'config', scheduler: 'scheduler_config' };
    const found = await Promise.all(
      Object.entries(files).map(
        async ([part, file]) => [part, await readConfig(join(folder, part, `${file}.json`))] as const,
      ),
    );
    const configs = Object.fromEntries(found.filter((entry): entry is [string, Config] => entry[1] !== undefined));
    if (configs.unet === undefined) {
      throw new GlobalPercError(
        `'${folder}' is no pipeline of diffusers: there is no unet/config.json; name the folder that holds unet/ and vae/`,
        { code: 'io' },
      );
    }
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
    const config = this.configOf('vae');
    const tiny = config._class_name === 'AutoencoderTiny';
    return this.loaded<AutoencoderKL | AutoencoderTiny>(
      'vae',
      tiny ? AutoencoderTiny.fromConfig(config) : AutoencoderKL.fromConfig(config),
    );
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

  private configOf(part: string): Config {
    const config = this.configs[part];
    if (config) return config;
    throw new GlobalPercError(`'${this.folder}' has no ${part}/ with its configuration file`, { code: 'io' });
  }

  private async loaded<M extends AnyModule>(part: string, module: M): Promise<M> {
    const state = await this.weightsOf(part);
    within(join(this.folder, part), () => module.loadStateDict(state));
    module.eval();
    return module;
  }

  private async weightsOf(part: string): Promise<Record<string, SafeTensor>> {
    const folder = join(this.folder, part);
    for (const name of WEIGHTS) {
      const path = join(folder, name);
      if (await isThere(path)) return readStateDict(path);
    }
    throw new GlobalPercError(`'${folder}' has no weights: expected ${WEIGHTS[0]} or ${WEIGHTS[4]}`, { code: 'io' });
  }
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
