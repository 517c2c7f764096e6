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

export const isTar = (path: string): boolean => /\.tar$/i.test(path);

/** Whether a file holds many images, by its name. */
export const isShard = (path: string): boolean => isTar(path) || /\.parquet$/i.test(path);

/** An image that is a file. */
export const imageAt = (path: string): ImageSource => ({ path, read: () => readBytes(path) });
