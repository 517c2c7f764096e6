/**
 * Time against memory: the same loss, or training step, within smaller and smaller budgets, each in a process of its own.
 *
 *   npm run build && node bench/memory.mjs [--only VGG16] [--points 5] [--rounds 3] [--small] [--out bench/memory.svg]
 *
 * The teachers are those of bench/rivals.mjs, which makes them. `--small` takes images of 64² (28² more for patches of 14) and shows that it runs.
 * For each point: the budget, what the library estimates, the peak of the process, and the time of a step, on all cores together.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LOOK, toSvg, writePlot } from '../dist/cli/plot.js';
import { image, peakMegabytes, processorMs } from './measured.mjs';
import { median } from './median.mjs';

/** @typedef {{ budget: number, time: number, mb: number, ms: number }} Point */

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    points: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    small: { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench/memory.svg' },
    child: { type: 'string' },
  },
});

const MB = 2 ** 20;
const NAMES = ['VGG16, 256²', 'ViT-S/14, 504²', 'U-Net step, 8×3×128²'];
const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
/** @type {Record<string, { teacher: string, shape: number[], student?: string }>} */
const WORKLOADS = JSON.parse(readFileSync(at('rivals/workloads.json'), 'utf8'));

/** In a process of its own: the estimate, peak and time of one budget; 0: none. @param {string} name @param {number} budget */
async function child(name, budget) {
  const { GlobalPercConfig, GlobalPercLoss, loadModel, models, NormalizedTensorLoss, nn, optim, Trainer } =
    await import('../dist/index.js');
  const { shape: whole, student } = WORKLOADS[name] ?? { shape: [] };
  const side = name.startsWith('ViT') ? 112 : 64;
  const shape = values.small ? [...whole.slice(0, 2), side, side] : whole;
  const said = /** @type {string[]} */ ([]);
  console.info = (line) => said.push(line);
  const model = await loadModel(
    at(`rivals/work/${name.replace(/ step.*/, ' step, 8×3×128²').replace(/[^\w-]+/g, '_')}.onnx`),
  );
  const config = new GlobalPercConfig({
    curveForce: 3,
    modulesToHook: [nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU],
    lossFunc: new NormalizedTensorLoss('l2'),
    printData: false,
  });
  const memory = budget > 0 ? { memory: budget } : {};
  const loss = new GlobalPercLoss(model, config, student ? {} : memory);
  const [a, b] = [image(shape), image(shape)];
  const trainer =
    student &&
    (await Trainer.create(new models.UNet(3, 32, 3), loss, new optim.AdamW({ lr: 1e-3 }), { batch: shape, ...memory }));
  const step = () => (trainer ? trainer.step(a, b) : loss.valueAndGrad(a, b));
  const times = [];
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    const start = processorMs();
    await step();
    if (round > 0) times.push(processorMs() - start);
  }
  console.log(JSON.stringify({ ms: median(times), mb: peakMegabytes(), said: said[0] ?? '' }));
}

/** @param {string} name @param {number} budget @returns {{ ms: number, mb: number, said: string } | { refused: string }} */
function measured(name, budget) {
  const options = [
    at('memory.mjs'),
    '--child',
    `${name}|${budget}`,
    '--rounds',
    values.rounds,
    ...(values.small ? ['--small'] : []),
  ];
  try {
    // The C library would keep what is freed while the session opens, which is more than a budget saves.
    const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: String(8 * MB) };
    return JSON.parse(
      execFileSync(process.execPath, options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env }),
    );
  } catch (error) {
    return { refused: String(/** @type {{ stderr?: string }} */ (error).stderr) };
  }
}

/** Budgets from what is needed without one to the least. @param {string} name @returns {Point[]} */
function curve(name) {
  const [, whole, least] =
    /takes (\d+)MB, .* can be (\d+)MB/.exec(String(Object.values(measured(name, 1)).at(-1))) ?? [];
  if (!whole || !least) throw new Error(`${name}: no budgets were named`);
  const count = Number(values.points);
  const points = [];
  for (let i = 0; i < count; i += 1) {
    const budget = i === 0 ? 0 : Math.ceil(Number(whole) + ((Number(least) - Number(whole)) * i) / (count - 1));
    const found = measured(name, budget * MB);
    if ('refused' in found) continue;
    const time = Number(/about (\d+) %/.exec(found.said)?.[1] ?? 0);
    points.push({ budget: budget || Number(whole), time, mb: found.mb, ms: found.ms });
  }
  return points;
}

/** @param {Record<string, Point[]>} curves */
const plot = (curves) =>
  toSvg({
    ...LOOK,
    data: {
      values: Object.entries(curves).flatMap(([name, points]) =>
        points.map(({ budget, mb, ms }) => ({ name, budget, mb, ratio: ms / (points[0]?.ms ?? ms) })),
      ),
    },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'mb', type: 'quantitative', title: 'peak of the process, MB', scale: { zero: false } },
      y: {
        field: 'ratio',
        type: 'quantitative',
        title: 'time of a step, of that without a budget',
        scale: { zero: false },
      },
      color: { field: 'name', type: 'nominal', title: null, legend: { orient: 'top', labelLimit: 300 } },
      order: { field: 'budget' },
    },
  });

if (values.child) {
  const [name = '', budget = '0'] = values.child.split('|');
  await child(name, Number(budget));
  process.exit();
}
/** @type {Record<string, Point[]>} */
const curves = {};
for (const name of NAMES.filter((name) => name.includes(values.only))) {
  if (!existsSync(at('rivals/work'))) throw new Error('run bench/rivals.mjs first, which makes the models');
  const points = curve(name);
  curves[name] = points;
  console.log(`\n| ${name} | estimated time | peak of the process | a step |\n| --: | --: | --: | --: |`);
  for (const { budget, time, mb, ms } of points)
    console.log(`| ${budget} MB | +${time} % | ${mb.toFixed(0)} MB | ${ms.toFixed(0)} ms |`);
}
await writePlot(values.out, await plot(curves));
