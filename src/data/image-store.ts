/** Images of files: decoded when they are needed, kept while there is room, left out when they are damaged. */
import { GlobalPercError } from '../graph/index.js';
import { BoundedCache } from './bounded-cache.js';
import type { Substitutes } from './dataset.js';
import { DecodedImage, type Pixels } from './decoded-image.js';
import type { Decoding } from './decoding.js';
import { decode, headerOf } from './image.js';
import { type ImageSource, imageAt, isShard, isTar } from './image-source.js';
import { openParquet } from './parquet.js';
import { loadSharp } from './sharp.js';
import { openTar } from './tar.js';

/** A file, or an image of a shard, that cannot be used. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

interface GoodGroup<Group> {
  readonly sources: Group;
  readonly images: DecodedImage[];
}

/** How far the first look at a data set is: whole images, then shards. */
export interface OpenProgress {
  readonly step: 'look';
  readonly done: number;
  readonly total: number;
}

export type OpenListener = (progress: OpenProgress) => void;

/** Bytes of decoded images that are kept; samples of more than 8 bits take four each. */
const BUDGET = 256 * 2 ** 20;

/** Headers that are read at once. */
const HEADERS = 64;

/** Decodes images and remembers both those used last and those that cannot be decoded. */
export class ImageStore {
  private readonly how: Decoding;
  private readonly logger: (message: string) => void;
  /** Why a file cannot be used, by path. */
  private readonly broken = new Map<string, Error>();
  private readonly kept = new BoundedCache<Pixels>(BUDGET, ({ samples }) => samples.byteLength);

  constructor(how: Decoding, logger: (message: string) => void) {
    this.how = how;
    this.logger = logger;
  }

  get skipped(): SkippedImage[] {
    return Array.from(this.broken, ([path, error]) => ({ path, reason: reasonIn(error) }));
  }

  /** [height, width] of each file whose header can be read, orientation applied; the others are skipped. @throws GlobalPercError without sharp. */
  async sizes(
    paths: readonly string[],
    onProgress: OpenListener = () => undefined,
  ): Promise<Map<string, readonly [number, number]>> {
    await loadSharp();
    const all = [...new Set(paths)];
    const sizes = new Map<string, readonly [number, number]>();
    for (let start = 0; start < all.length; start += HEADERS) {
      const some = all.slice(start, start + HEADERS);
      const headers = await Promise.all(some.map((path) => headerOf(path).catch(asError)));
      some.forEach((path, i) => {
        const header = headers[i];
        if (header instanceof Error) this.skip('the image', path, header);
        else if (header) sizes.set(path, [header.autoOrient.height, header.autoOrient.width]);
      });
      onProgress({ step: 'look', done: start + some.length, total: all.length });
    }
    return sizes;
  }

  /**
   * What files hold, in their order: an image each, or a shard's; what cannot be read is skipped, a damaged shard from the damage on.
   * @param column of Parquet files.
   * @throws GlobalPercError when a package is missing, or a Parquet file has no such column.
   */
  async open(paths: readonly string[], column?: string, onProgress?: OpenListener): Promise<ImageSource[]> {
    const sizes = await this.sizes(
      paths.filter((path) => !isShard(path)),
      onProgress,
    );
    const shards = new Map<string, readonly ImageSource[]>();
    const total = new Set(paths.filter(isShard)).size;
    for (const path of paths) {
      if (!isShard(path) || shards.has(path)) continue;
      shards.set(path, await this.shard(path, column));
      onProgress?.({ step: 'look', done: shards.size, total });
    }
    return paths.flatMap((path) => shards.get(path) ?? (sizes.has(path) ? [imageAt(path)] : []));
  }

  private async shard(path: string, column: string | undefined): Promise<readonly ImageSource[]> {
    try {
      const { images, damage } = await (isTar(path) ? openTar(path) : openParquet(path, column));
      if (damage) this.skip('the end of the shard', path, damage);
      else if (images.length === 0) throw new GlobalPercError('it holds no images', { code: 'invalid-file' });
      return images;
    } catch (error) {
      // A package or a choice is missing: the file is not to blame.
      const { code, message } = Object(error) as Partial<GlobalPercError>;
      if (code === 'runtime') throw error;
      if (code === 'invalid-option') throw new GlobalPercError(`'${path}': ${message}`, { code, cause: error });
      this.skip('the shard', path, asError(error));
      return [];
    }
  }

  /**
   * Group `index` of images, or where one of them cannot be decoded, the next that can of its substitutes, from it on and around.
   * @param substitutes Default: all groups.
   * @throws GlobalPercError when there is none.
   */
  async firstGood<Group extends readonly ImageSource[]>(
    groups: readonly Group[],
    index: number,
    substitutes: Substitutes = () => Array.from(groups.keys()),
  ): Promise<GoodGroup<Group>> {
    const own = await this.ifGood(groups[index] as Group);
    if (own) return own;
    const numbers = substitutes();
    const start = numbers.indexOf(index);
    for (let step = 1; step <= numbers.length; step += 1) {
      const found = await this.ifGood(groups[numbers[(start + step) % numbers.length] as number] as Group);
      if (found) return found;
    }
    throw this.nothingLeft();
  }

  private async ifGood<Group extends readonly ImageSource[]>(sources: Group): Promise<GoodGroup<Group> | undefined> {
    const images = await Promise.all(sources.map((source) => this.load(source)));
    return images.every((image) => image !== undefined) ? { sources, images } : undefined;
  }

  /** The error for a data set in which no image can be used. */
  nothingLeft(): GlobalPercError {
    const [first] = this.skipped;
    return new GlobalPercError(
      `none of the images can be read, ${this.broken.size} were skipped; the first is '${first?.path}': ${first?.reason}`,
      { code: 'invalid-file', cause: this.broken.values().next().value },
    );
  }

  private async load(source: ImageSource): Promise<DecodedImage | undefined> {
    const { path } = source;
    if (this.broken.has(path)) return undefined;
    try {
      const pixels = await this.kept.get(path, async () => decode(await source.read(), this.how));
      return new DecodedImage(pixels);
    } catch (error) {
      this.skip('the image', path, asError(error));
      return undefined;
    }
  }

  /** Names a damaged file, the first time. */
  private skip(what: string, path: string, error: Error): void {
    if (this.broken.has(path)) return;
    this.broken.set(path, error);
    this.logger(`skipping ${what} '${path}', which cannot be read: ${reasonIn(error)} (${this.broken.size} skipped)`);
  }
}

const reasonIn = ({ message }: Error): string => message.trim().split('\n')[0] as string;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
