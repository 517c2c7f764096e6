/** Where the numbers and pictures of a training run go. */

/** What follows a run: `TensorBoardLogger`, or an object of your own that hands all on to another service. */
export interface Logger {
  /** Takes numbers of one step, by tags such as `loss` and `hooks/features.3`; returns at once. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  /** Takes a picture of one step, as PNG; returns at once. */
  image(step: number, tag: string, png: Uint8Array): void;
  /** Waits until all that was taken is written. */
  flush(): Promise<void>;
}
