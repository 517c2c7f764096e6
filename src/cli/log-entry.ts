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
  readonly seconds: number;
}
