/** Pictures with captions as a U-Net is trained on them: latents and states of texts, made once and kept in a file. */
import { stat } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import {
  DataLoader,
  type Dataset,
  formatSafetensors,
  ImageFolder,
  type ImageFolderOptions,
  parseSafetensors,
  type Sample,
  type SampleTensor,
  writeAtomically,
} from '../data/index.js';
import { Computation, encoded, type PipelineFolder } from '../diffusion/index.js';
import { makeFolder, readBytes } from '../files/index.js';
import { Generator, GlobalPercError, type TensorLike } from '../index.js';
import { captionsOf } from './captions.js';
import type { Pictures, PicturesJSON } from './finetune-config.js';
import { note } from './progress.js';
import type { StepBatch } from './training-run.js';

/** A folder of pictures that is open. */
export interface Album {
  readonly folder: string;
  readonly images: ImageFolder;
  readonly captions: readonly string[];
}

/** Opens a folder of pictures, reads their captions, and says how many have none. */
export async function openAlbum({ folder, caption }: Pictures, options: ImageFolderOptions): Promise<Album> {
  const images = await ImageFolder.open(folder, options);
  const captions = await captionsOf(folder, images.files, caption);
  const without = captions.filter((text) => text === '').length;
  if (without > 0) note(`${without} of the ${captions.length} pictures of '${folder}' have no caption`);
  return { folder, images, captions };
}

/** What was made of something, by a key that tells all that it depends on. */
class Kept {
  /** How many were not there before. */
  made = 0;
  private readonly used: Record<string, { dtype: 'float32'; dims: readonly number[]; data: Float32Array }> = {};

  private constructor(
    private readonly path: string,
    private readonly known: ReadonlyMap<string, SampleTensor>,
  ) {}

  /** A file that is not there, or is damaged, holds nothing. */
  static async open(path: string): Promise<Kept> {
    const found = await readBytes(path).then(
      (bytes) => parseSafetensors(bytes, path).tensors,
      () => undefined,
    );
    return new Kept(path, new Map(found as ReadonlyMap<string, SampleTensor> | undefined));
  }

  async of(key: string, make: () => Promise<TensorLike | undefined>): Promise<SampleTensor | undefined> {
    const known = this.used[key] ?? this.known.get(key);
    const found = known ?? (await make());
    if (!known) this.made += 1;
    if (found) this.used[key] = { dtype: 'float32', dims: [...found.dims], data: found.data as Float32Array };
    return found as SampleTensor | undefined;
  }

  /** Writes what was asked for. */
  async save(): Promise<void> {
    if (this.made === 0) return;
    await makeFolder(dirname(this.path));
    await writeAtomically(this.path, formatSafetensors(this.used));
  }
}

/** What encodes. */
interface Encoding {
  readonly pipeline: PipelineFolder;
  /** The file in which it is kept. */
  readonly path: string;
  readonly data: PicturesJSON;
  readonly seed: number;
}

/** Latents by picture, and states of texts. */
export interface Encoded {
  /** Batches from a step on. */
  batches(from: number): AsyncGenerator<StepBatch>;
  /** States `[1, M, D]` of a text that was asked for. */
  states(text: string): SampleTensor;
}

/** Encodes pictures, their captions, and further texts; `''` is among them. */
export async function encodeAlbums(
  { pipeline, path, data, seed }: Encoding,
  { own, prior }: { readonly own: Album; readonly prior: Album | undefined },
  texts: readonly string[],
): Promise<Encoded> {
  const kept = await Kept.open(path);
  const asked = [...new Set(['', ...texts, ...own.captions, ...(prior?.captions ?? [])])];
  const states = await textStates(pipeline, kept, asked);
  const latentsOf = await latentsWith(pipeline, kept, data, seed);
  const { variants = 1, captionDropout = 0, batchSize = 1 } = data;
  const loaderOf = async (album: Album, from: number): Promise<DataLoader> => {
    const samples = new Samples(await latentsOf(album, variants), states, captionDropout);
    // What is drawn for one is not drawn for the other.
    return new DataLoader(samples, { batchSize, shuffle: true, seed: seed + from });
  };
  const first = await loaderOf(own, 0);
  const second = prior && (await loaderOf(prior, 1));
  await kept.save();
  note(
    `${own.captions.length + (prior?.captions.length ?? 0)} pictures and ${asked.length} texts encoded, ${kept.made} of them anew`,
  );
  return { batches: (from) => joined(first, second, from), states: (text) => states.get(text) as SampleTensor };
}

/** The second half of every batch are pictures of the class, where there are any. */
async function* joined(own: DataLoader, prior: DataLoader | undefined, from: number): AsyncGenerator<StepBatch> {
  const others = prior?.stream({ from });
  try {
    for await (const { input, target } of own.stream({ from })) {
      const other = (await others?.next())?.value;
      const latents = other ? stacked(input, other.input) : input;
      yield { input: { latents, text: other ? stacked(target, other.target) : target } };
    }
  } finally {
    await others?.return(undefined);
  }
}

function stacked(a: SampleTensor, b: SampleTensor): SampleTensor {
  const [first, ...rest] = a.dims as [number, ...number[]];
  const data = new Float32Array(a.data.length + b.data.length);
  data.set(a.data as Float32Array);
  data.set(b.data as Float32Array, a.data.length);
  return { dims: [first + (b.dims[0] as number), ...rest], data };
}

/** Latents of a picture and its variants, and its caption. */
interface EncodedPicture {
  readonly variants: readonly SampleTensor[];
  readonly caption: string;
}

/** Latents as inputs, states as targets; which variant it is, and whether the caption is left out, is drawn. */
class Samples implements Dataset {
  readonly length: number;

  constructor(
    private readonly pictures: readonly EncodedPicture[],
    private readonly states: ReadonlyMap<string, SampleTensor>,
    private readonly dropout: number,
  ) {
    this.length = pictures.length;
  }

  async get(index: number, generator: Generator): Promise<Sample> {
    const { variants, caption } = this.pictures[index] as EncodedPicture;
    const latents = variants[generator.integer(variants.length)] as SampleTensor;
    const text = this.states.get(generator.uniform() < this.dropout ? '' : caption) as SampleTensor;
    return { input: withoutBatch(latents), target: withoutBatch(text) };
  }
}

const withoutBatch = ({ dims, data }: SampleTensor): SampleTensor => ({ dims: dims.slice(1), data });

async function textStates(
  pipeline: PipelineFolder,
  kept: Kept,
  texts: readonly string[],
): Promise<Map<string, SampleTensor>> {
  const [tokenizer, encoder] = [await pipeline.tokenizer(), await pipeline.textEncoder()];
  const identity = await identityOf(pipeline, 'text_encoder');
  await using encoding = new Computation((ids) => encoder(ids));
  const states = new Map<string, SampleTensor>();
  for (const text of texts) {
    const key = JSON.stringify(['text', identity, text]);
    states.set(text, (await kept.of(key, () => encoding.run(tokenizer.encode([text])))) as SampleTensor);
  }
  return states;
}

/** The file of a picture that lies in a shard. */
const SHARD = /^.*?\.(tar|parquet)(?=$|[^\w])/i;

/** Encodes the pictures of an album; those that are damaged are left out. */
async function latentsWith(pipeline: PipelineFolder, kept: Kept, data: PicturesJSON, seed: number) {
  const encode = encoded(await pipeline.vae());
  const identity = await identityOf(pipeline, 'vae');
  const about = [identity, data.size, data.augment?.json, seed];
  return async ({ folder, images, captions }: Album, variants: number): Promise<EncodedPicture[]> => {
    await using encoding = new Computation(encode);
    const pictures: EncodedPicture[] = [];
    for (const [i, file] of images.files.entries()) {
      const state = await stat(SHARD.exec(file)?.[0] ?? file);
      const made: (SampleTensor | undefined)[] = [];
      for (let variant = 0; variant < variants; variant += 1) {
        const key = JSON.stringify(['latents', ...about, relative(folder, file), state.size, state.mtimeMs, variant]);
        const picture = async () => {
          const { target } = await images.get(i, new Generator(seed, i, variant));
          // For a damaged one the data set gives another, whose caption it is not.
          if (images.skipped.some(({ path }) => path === file)) return undefined;
          return encoding.run({ dims: [1, ...target.dims], data: target.data as Float32Array });
        };
        made.push(await kept.of(key, picture));
      }
      if (made.every((latents) => latents !== undefined))
        pictures.push({ variants: made as SampleTensor[], caption: captions[i] as string });
    }
    if (pictures.length > 0) return pictures;
    throw new GlobalPercError(`no picture of '${folder}' can be read`, { code: 'invalid-file' });
  };
}

/** What tells the weights of one part from others. */
async function identityOf(pipeline: PipelineFolder, part: string): Promise<unknown> {
  const { size, mtimeMs } = await stat(await pipeline.weightsFile(part));
  return [JSON.stringify(pipeline.configs[part]), size, mtimeMs];
}
