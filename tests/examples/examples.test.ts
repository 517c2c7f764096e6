/** The training scripts in examples: each pair differs in the loss line alone, and those for Node train. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Pair {
  /** Without and with the perceptual loss. */
  readonly scripts: readonly [string, string];
  /** How the line of the loss begins in each. */
  readonly lines: readonly [string, string];
}

const PAIRS: Readonly<Record<string, Pair>> = {
  'jax-js': {
    scripts: ['jax/train-l1.mjs', 'jax/train-globalperc.mjs'],
    lines: [
      'const lossAndGrads = valueAndGrad((params, x, y) => ',
      'const lossAndGrads = valueAndGradWith(student, jaxLoss(new GlobalPercLoss(',
    ],
  },
  'TensorFlow.js': {
    scripts: ['tfjs/train-l1.mjs', 'tfjs/train-globalperc.mjs'],
    lines: [
      "model.compile({ optimizer, loss: 'meanAbsoluteError' });",
      'model.compile({ optimizer, loss: await tfLoss(new GlobalPercLoss(',
    ],
  },
  PyTorch: {
    scripts: ['pytorch/train.py', 'pytorch/train_globalperc.py'],
    lines: ['loss_fn = nn.L1Loss()', 'loss_fn = GlobalPercLoss("loss-4.onnx", "loss-2.onnx")'],
  },
};

/** What a script does: its lines without those that import, and without its own name in comments. */
const linesOf = (script: string): string[] =>
  readFileSync(`${ROOT}/examples/${script}`, 'utf8')
    .replaceAll(script, 'the script')
    .split('\n')
    .filter((line) => !/^(import|from) /.test(line));

it.each(Object.entries(PAIRS))('the scripts for %s differ in the loss line alone', (_, { scripts, lines }) => {
  const [plain, perceptual] = scripts.map(linesOf) as [string[], string[]];
  expect(perceptual.length).toBe(plain.length);
  const differing = plain.flatMap((line, i) => (line === perceptual[i] ? [] : [[line, perceptual[i] as string]]));
  expect(differing.length).toBe(1);
  for (const [i, line] of (differing[0] as string[]).entries()) expect(line.startsWith(lines[i] as string)).toBe(true);
});

/** What the scripts for Node take, and print so many losses. */
const RUNS = [
  { framework: 'jax-js', argument: '40', prints: 2 },
  { framework: 'TensorFlow.js', argument: '5', prints: 5 },
].flatMap(({ framework, ...run }) => (PAIRS[framework] as Pair).scripts.map((script) => ({ script, ...run })));

it.each(RUNS)('$script trains', async ({ script, argument, prints }) => {
  const { stdout } = await promisify(execFile)('node', [`examples/${script}`, argument], { cwd: ROOT });
  const losses = Array.from(stdout.matchAll(/^(?:step|epoch) \d+: loss (\S+)$/gm), ([, loss]) => Number(loss));
  expect(losses).toHaveLength(prints);
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
});
