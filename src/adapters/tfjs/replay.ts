/** Randomness of TensorFlow.js – dropout, noise – begins with Math.random; here it is drawn once and given twice. */
import { GlobalPercError } from '../../index.js';

export class Replay {
  private readonly drawn: number[] = [];

  /** Runs synchronous code and remembers what it draws. */
  record<T>(code: () => T): T {
    const { random } = Math;
    return withRandom(() => {
      const value = random();
      this.drawn.push(value);
      return value;
    }, code);
  }

  /** Runs synchronous code that draws the same numbers in the same order. */
  repeat<T>(code: () => T): T {
    const { random } = Math;
    const rest = this.drawn.values();
    return withRandom(() => rest.next().value ?? random(), code);
  }
}

/** @throws GlobalPercError where Math is frozen. */
function withRandom<T>(random: () => number, code: () => T): T {
  const former = Math.random;
  try {
    Math.random = random;
  } catch (error) {
    throw new GlobalPercError(
      'Math.random cannot be replaced here, and dropout would draw another mask in the second run of the model: train with tfLoss',
      { code: 'runtime', cause: error },
    );
  }
  try {
    return code();
  } finally {
    Math.random = former;
  }
}
