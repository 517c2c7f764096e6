/** `globalperc curve`: the weight curve as a picture. */
import type { Command } from 'commander';
import { GlobalPercConfig, weightCurve } from '../index.js';
import { parseInteger, parseNumber } from './common.js';
import { requireOutputFile } from './outputs.js';
import { LOOK, toSvg, writePlot } from './plot.js';

interface Options {
  readonly start: string;
  readonly end: string;
  readonly force: string;
  readonly hooks: string;
  readonly out: string;
}

/** More points than a picture shows. */
const MOST_HOOKS = 10_000;

export function addCurve(program: Command): void {
  program
    .command('curve')
    .description('plot the weight of each hook')
    .option('--start <NUMBER>', 'startWeight', '1')
    .option('--end <NUMBER>', 'endWeight', '2')
    .option('--force <NUMBER>', 'curveForce', '0')
    .option('--hooks <COUNT>', 'number of hooks', '10')
    .requiredOption('--out <FILE>', '.png or .svg')
    .action(run);
}

async function run(options: Options): Promise<void> {
  const count = parseInteger(options.hooks, '--hooks', 1, MOST_HOOKS);
  await requireOutputFile(options.out, '--out', ['.png', '.svg']);
  const startWeight = parseNumber(options.start, '--start');
  const endWeight = parseNumber(options.end, '--end');
  const curveForce = parseNumber(options.force, '--force');
  const weights = weightCurve(new GlobalPercConfig({ startWeight, endWeight, curveForce }), count);
  const svg = await plot(weights, `Weight of each hook: start ${startWeight}, end ${endWeight}, force ${curveForce}`);
  await writePlot(options.out, svg);
  process.stdout.write(`${options.out}\n`);
}

/** An SVG line plot of weight over hook. */
const plot = (weights: readonly number[], title: string): Promise<string> =>
  toSvg({
    ...LOOK,
    title,
    data: { values: weights.map((weight, hook) => ({ hook, weight })) },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'hook',
        type: 'quantitative',
        title: 'hook (execution order)',
        axis: { tickMinStep: 1, format: 'd' },
      },
      y: { field: 'weight', type: 'quantitative', title: 'weight', scale: { zero: false } },
    },
  });
