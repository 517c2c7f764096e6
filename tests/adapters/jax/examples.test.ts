/** The training scripts in examples/jax: one line apart, and both train. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

/** The lines of a script, without imports and without its own name. */
const linesOf = (name: string): string[] =>
  readFileSync(`${ROOT}/examples/jax/${name}.mjs`, 'utf8')
    .replace(name, 'train')
    .split('\n')
    .filter((line) => !line.startsWith('import '));

it('differ in the loss line alone', () => {
  const [plain, perceptual] = [linesOf('train-l1'), linesOf('train-globalperc')];
  expect(perceptual.length).toBe(plain.length);
  const differing = plain.flatMap((line, i) => (line === perceptual[i] ? [] : [[line, perceptual[i]]]));
  expect(differing).toEqual([
    [
      expect.stringMatching(/^const lossAndGrads = valueAndGrad\(/),
      expect.stringMatching(/^const lossAndGrads = valueAndGradWith\(student, jaxLoss\(/),
    ],
  ]);
});

it.each(['train-l1', 'train-globalperc'])('%s trains', async (name) => {
  const { stdout } = await run('node', [`examples/jax/${name}.mjs`, '40'], { cwd: ROOT });
  const losses = Array.from(stdout.matchAll(/^step \d+: loss (\S+)$/gm), ([, loss]) => Number(loss));
  expect(losses).toHaveLength(2);
  expect(losses[1]).toBeLessThan(0.7 * (losses[0] as number));
});
