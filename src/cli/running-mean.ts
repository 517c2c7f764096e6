/** A loss as a user wants to read it: the last batch alone says little, since batches differ more than steps do. */

/** Steps that the mean is taken over. */
const WINDOW = 50;

/** The mean of the last values. */
export class RunningMean {
  private readonly values: number[] = [];

  /** @param values those of the run so far. */
  constructor(values: readonly number[] = []) {
    this.values.push(...values.slice(-WINDOW));
  }

  add(value: number): void {
    this.values.push(value);
    if (this.values.length > WINDOW) this.values.shift();
  }

  /** How many values it is the mean of. */
  get count(): number {
    return this.values.length;
  }

  /** NaN before the first value. */
  get mean(): number {
    return this.values.reduce((sum, value) => sum + value, 0) / this.values.length;
  }
}
