/** The PyTorch side of a benchmark: a process that takes one step per line and answers with milliseconds and megabytes. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * @param {string} python
 * @param {string} script
 */
export async function startTorch(python, script) {
  const child = spawn(python, [script, 'run'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const version = (await lines.next()).value;
  return {
    version,
    async step() {
      child.stdin.write('\n');
      const [milliseconds = Number.NaN, megabytes = Number.NaN] = (await lines.next()).value.split(' ').map(Number);
      return { milliseconds, megabytes };
    },
    stop: () => child.stdin.end(),
  };
}

/** @param {number[]} values */
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
