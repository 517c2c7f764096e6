/** Files that hold many images each. */
import { readBytes } from '../files/index.js';

/** An image that can be read, alone in a file or one of many. */
export interface ImageSource {
  /** What it is called in messages: its file, and within a shard its name or row. */
  readonly path: string;
  /** Its bytes, as an image file has them. */
  read(): Promise<Uint8Array>;
}

/** What is found in a shard. */
export interface Shard {
  readonly images: readonly ImageSource[];
  /** Why the rest of it cannot be read. */
  readonly damage?: Error;
}

const SHARD = /\.(tar|parquet)$/i;

export const isShard = (path: string): boolean => SHARD.test(path);

/** An image that is a file. */
export const imageAt = (path: string): ImageSource => ({ path, read: () => readBytes(path) });
