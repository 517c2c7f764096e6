/** The training scripts in examples for Node train, with and without the perceptual loss. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it.each([
  { script: 'jax/train-l1.mjs', argument: '40', prints: 2 },
  { script: 'jax/train-globalperc.mjs', argument: '40', prints: 2 },
  { script: 'tfjs/train-l1.mjs', argument: '3', prints: 3 },
  { script: 'tfjs/train-globalperc.mjs', argument: '3', prints: 3 },
])('$script trains', async ({ script, argument, prints }) => {
  const { stdout } = await promisify(execFile)('node', [`examples/${script}`, argument], { cwd: ROOT });
  const losses = Array.from(stdout.matchAll(/^(?:step|epoch) \d+: loss (\S+)$/gm), ([, loss]) => Number(loss));
  expect(losses).toHaveLength(prints);
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
});
