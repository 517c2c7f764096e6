/** What `train` writes and whoever follows a run reads. */

/** A line of `log.jsonl`. */
export interface LogEntry {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly lr: number;
  /** Losses of the single hooks. */
  readonly hooks: readonly number[];
  /** Their paths: in the first line that a process writes. */
  readonly paths?: readonly string[];
  /** Further numbers that the loss reports, by name, such as weights that are not fixed. */
  readonly logged?: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** What a pass over the validation data found after this step: the mean loss, and metrics by name. */
  readonly validation?: Readonly<Record<string, number>> & { readonly loss: number };
}
