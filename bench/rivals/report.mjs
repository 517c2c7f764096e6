/** BENCHMARKS.md from what was measured. */
import { cpus } from 'node:os';

/** @typedef {import('../rivals.mjs').Row} Row @typedef {import('../rivals.mjs').Measured} Measured */

/**
 * @param {{ rate: number, torch: string, rounds: number }} machine rate in operations per second
 * @param {Row[]} rows
 */
export const report = ({ rate, torch, rounds }, rows) => `# Benchmarks

Written by \`node bench/rivals.mjs${process.argv
  .slice(2)
  .map((word) => ` ${/\s/.test(word) ? `'${word}'` : word}`)
  .join(
    '',
  )}\`: both sides in one run, each variant in a process of its own, steps in turn, medians of ${rounds} (of 1 for 1022²). Node ${process.versions.node}, PyTorch
${torch}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${(rate / 1e9).toFixed(0)} GFLOP/s in float32 matrix products. \`NormalizedTensorLoss('l2')\`, force 3, hooks at every Linear, Conv2d, ReLU and
GELU; random weights, float32.

## Time

Milliseconds of a step; in brackets against PyTorch with the teacher frozen and the target read without gradient, and with the target's activations known.
The floor is the arithmetic of all products (PyTorch's count) at the machine's rate. Large convolutions of three rows take half of theirs. –: not measured.

${table(
  [
    '',
    'PyTorch, original',
    'frozen',
    'target known',
    '`torch.compile`',
    'globalperc',
    'target encoded',
    'floor',
    'ours to floor',
  ],
  rows.map((row) => [
    row.name,
    ...['original', 'frozen', 'cached', 'compiled'].map((variant) => milliseconds(row.theirs[variant])),
    `**${milliseconds(row.ours.ours)}** (${ratio(row.ours.ours, row.theirs.frozen)})`,
    row.ours.encoded ? `**${milliseconds(row.ours.encoded)}** (${ratio(row.ours.encoded, row.theirs.cached)})` : '–',
    ((1000 * row.operations) / rate).toFixed(0),
    `${((row.ours.ours?.ms ?? Number.NaN) / ((1000 * row.operations) / rate)).toFixed(2)}×`,
  ]),
)}
${rows.flatMap(plainAttention).join('')}
## Peak memory

Megabytes of the whole process, what it loads included.

${table(
  ['', 'PyTorch, original', 'frozen', 'target known', 'globalperc', 'target encoded', 'ours to frozen'],
  rows.map((row) => [
    row.name,
    ...['original', 'frozen', 'cached'].map((variant) => megabytes(row.theirs[variant])),
    megabytes(row.ours.ours),
    megabytes(row.ours.encoded),
    row.theirs.frozen && row.ours.ours ? `${(row.ours.ours.mb / row.theirs.frozen.mb).toFixed(2)}×` : '–',
  ]),
)}

## First gradient

Milliseconds from reading the model's file to the first gradient, where nothing was compiled before and where another process has; and to the first one of
another size.

${table(
  ['', 'first', 'of a second process', 'another size'],
  rows.map(({ name, first, second, again }) => [
    name,
    first.toFixed(0),
    again?.toFixed(0) ?? '–',
    second ? `${second.toFixed(0)} (${(second / first).toFixed(2)}×)` : '–',
  ]),
)}

How time and memory grow with pixels, tokens and hooks: [docs/scaling.md](docs/scaling.md).
`;

/** @param {string[]} head @param {string[][]} rows */
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** @param {Measured | undefined} figure */
const milliseconds = (figure) => figure?.ms.toFixed(0) ?? '–';
/** @param {Measured | undefined} figure */
const megabytes = (figure) => figure?.mb.toFixed(0) ?? '–';
/** @param {Measured | undefined} ours @param {Measured | undefined} theirs */
const ratio = (ours, theirs) => (ours && theirs ? `${(ours.ms / theirs.ms).toFixed(2)}×` : '–');

/** @param {Row} row */
const plainAttention = ({ name, theirs }) =>
  theirs['plain attention']
    ? [
        `\n${name}: ${milliseconds(theirs['plain attention'])} ms frozen where PyTorch's attention is written out instead of \`scaled_dot_product_attention\`.\n`,
      ]
    : [];
