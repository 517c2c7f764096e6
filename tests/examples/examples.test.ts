/** The training scripts in examples: each pair differs in the loss line alone. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
