/** Asynchronous calls that run one after the other: each may change what the next one finds. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private taken = 0;

  /** Whether no call is running or waiting. */
  get idle(): boolean {
    return this.taken === 0;
  }

  /** Runs a task after all that were given before, whether they failed or not. */
  take<T>(task: () => Promise<T>): Promise<T> {
    this.taken += 1;
    const result = this.last.then(task).finally(() => {
      this.taken -= 1;
    });
    this.last = result.catch(() => undefined);
    return result;
  }
}
