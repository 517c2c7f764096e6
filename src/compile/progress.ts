/** What slow operations say while they run. */

/** A step of a slow operation that has just begun. */
export interface Progress {
  readonly step: 'read' | 'parse' | 'specialize' | 'differentiate' | 'fold' | 'open';
}

/** Options of everything that may take longer than a moment. */
export interface StepOptions {
  /** Stops between two steps; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called at the beginning of each step. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Marks the beginning of a step: stops if the caller has aborted, and reports progress. */
export function begin(step: Progress['step'], { signal, onProgress }: StepOptions): void {
  signal?.throwIfAborted();
  onProgress?.({ step });
}
