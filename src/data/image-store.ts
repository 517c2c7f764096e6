/** Images of files: decoded when they are needed, kept while there is room, left out when they are damaged. */
import { GlobalPercError } from '../graph/index.js';
import { DecodedImage, type Pixels } from './decoded-image.js';
import type { Decoding } from './decoding.js';
import { decode, headerOf } from './image.js';
import { loadSharp } from './sharp.js';

/** A file that cannot be used. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

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
  /** The least recently used first. */
  private readonly kept = new Map<string, Pixels>();
  private readonly coming = new Map<string, Promise<Pixels>>();
  private keptBytes = 0;

  constructor(how: Decoding, logger: (message: string) => void) {
    this.how = how;
    this.logger = logger;
  }

  get skipped(): SkippedImage[] {
    return Array.from(this.broken, ([path, error]) => ({ path, reason: reasonIn(error) }));
  }

  /** [height, width] of each file whose header can be read, orientation applied; the others are skipped. @throws GlobalPercError without sharp. */
  async sizes(paths: readonly string[]): Promise<Map<string, readonly [number, number]>> {
    await loadSharp();
    const all = [...new Set(paths)];
    const sizes = new Map<string, readonly [number, number]>();
    for (let start = 0; start < all.length; start += HEADERS) {
      const some = all.slice(start, start + HEADERS);
      const headers = await Promise.all(some.map((path) => headerOf(path).catch(asError)));
      some.forEach((path, i) => {
        const header = headers[i];
        if (header instanceof Error) this.skip(path, header);
        else if (header) sizes.set(path, [header.autoOrient.height, header.autoOrient.width]);
      });
    }
    return sizes;
  }

  /**
   * The first group of files, from `index` on and around, that can all be decoded.
   * @throws GlobalPercError when there is none.
   */
  async firstGood<Group extends readonly string[]>(
    groups: readonly Group[],
    index: number,
  ): Promise<{ readonly paths: Group; readonly images: DecodedImage[] }> {
    for (let step = 0; step < groups.length; step += 1) {
      const paths = groups[(index + step) % groups.length] as Group;
      const images = await Promise.all(paths.map((path) => this.load(path)));
      if (images.every((image) => image !== undefined)) return { paths, images };
    }
    throw this.nothingLeft();
  }

  /** The error for a data set in which no image can be used. */
  nothingLeft(): GlobalPercError {
    const [first] = this.skipped;
    return new GlobalPercError(
      `none of the images can be read, ${this.broken.size} were skipped; the first is '${first?.path}': ${first?.reason}`,
      { code: 'invalid-file', cause: this.broken.values().next().value },
    );
  }

  private async load(path: string): Promise<DecodedImage | undefined> {
    if (this.broken.has(path)) return undefined;
    try {
      return new DecodedImage(await this.pixels(path));
    } catch (error) {
      this.skip(path, asError(error));
      return undefined;
    }
  }

  private async pixels(path: string): Promise<Pixels> {
    const known = this.kept.get(path);
    if (known) {
      this.kept.delete(path);
      this.kept.set(path, known);
      return known;
    }
    const coming = this.coming.get(path) ?? this.decodeAndKeep(path);
    this.coming.set(path, coming);
    return coming;
  }

  private async decodeAndKeep(path: string): Promise<Pixels> {
    try {
      const pixels = await decode(path, this.how);
      this.keep(path, pixels);
      return pixels;
    } finally {
      this.coming.delete(path);
    }
  }

  private keep(path: string, pixels: Pixels): void {
    this.kept.set(path, pixels);
    this.keptBytes += pixels.samples.byteLength;
    for (const [oldest, { samples }] of this.kept) {
      if (this.keptBytes <= BUDGET) break;
      this.kept.delete(oldest);
      this.keptBytes -= samples.byteLength;
    }
  }

  /** Names a damaged file, the first time. */
  private skip(path: string, error: Error): void {
    if (this.broken.has(path)) return;
    this.broken.set(path, error);
    this.logger(`skipping the image '${path}', which cannot be read: ${reasonIn(error)} (${this.broken.size} skipped)`);
  }
}

const reasonIn = ({ message }: Error): string => message.trim().split('\n')[0] as string;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
