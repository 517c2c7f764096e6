import type { Abortable } from './steps.js';

/** Asynchronous calls that run one after the other: each may change what the next one finds. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private taken = 0;

  /** Whether no call is running or waiting. */
  get idle(): boolean {
    return this.taken === 0;
  }

  /**
   * Runs a task after all that were given before, whether they failed or not. A task whose signal is aborted when its
   * turn comes does not run: the promise rejects with the signal's reason.
   */
  take<T>(task: () => Promise<T>, { signal }: Abortable = {}): Promise<T> {
    this.taken += 1;
    const result = this.last
      .then(() => {
        signal?.throwIfAborted();
        return task();
      })
      .finally(() => {
        this.taken -= 1;
      });
    this.last = result.catch(() => undefined);
    return result;
  }
}
