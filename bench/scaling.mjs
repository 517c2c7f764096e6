/**
 * How a loss and its gradient grow with pixels, batch, tokens and hooks: time of a step, on all cores together, and peak memory, as a table and as plots.
 *
 *   npm run build && node bench/scaling.mjs [--rounds 3] [--most 1] [--out bench/scaling.svg] [--json scaling.json]
 *
 * Each point is a process of its own. `--most 0.1` leaves out the upper nine tenths of each axis. AlexNet's activations stand for convolutions;
 * DINOv2's ViT-S/14 with registers, random weights, for attention.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { toSvg, writePlot } from '../dist/cli/plot.js';
import {
  exportOnnx,
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  models,
  NormalizedTensorLoss,
  nn,
  transforms,
} from '../dist/index.js';
import { image, peakMegabytes, processorMs } from './measured.mjs';
import { median } from './median.mjs';

/**
 * @typedef {{ teacher: keyof typeof TEACHERS, shape: [number, number, number, number], hooks?: number, file?: string }} Setting
 * @typedef {{ title: string, unit: (setting: Setting, hooks: number) => number, settings: Setting[] }} Axis
 * @typedef {{ axis: string, at: number, ms: number, mb: number }} Point
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    most: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('scaling.svg', import.meta.url)) },
    json: { type: 'string' },
    point: { type: 'string' },
  },
});

const ALEXNET = fileURLToPath(new URL('../assets/lpips-alex.onnx', import.meta.url));
const WORK = mkdtempSync(join(tmpdir(), 'scaling-'));
process.on('exit', () => rmSync(WORK, { recursive: true }));

/** Files of the teachers: what makes them is not measured. */
const TEACHERS = {
  AlexNet: async () => ALEXNET,
  'ViT-S': async (/** @type {number[]} */ input) => {
    const path = join(WORK, `${input}.onnx`);
    if (!existsSync(path)) await exportOnnx(models.dinov2Vits14Reg(), path, { input });
    return path;
  },
};

/** @param {number} batch @param {number} side @returns {Setting['shape']} */
const images = (batch, side) => [batch, 3, side, side];
const PATCH = 14;

/** @type {Axis[]} */
const AXES = [
  {
    title: 'pixels of the image, AlexNet',
    unit: ({ shape }) => shape[2] * shape[3],
    settings: [64, 128, 256, 512, 1024].map((side) => ({ teacher: 'AlexNet', shape: images(1, side) })),
  },
  {
    title: 'images in the batch, AlexNet at 224²',
    unit: ({ shape }) => shape[0],
    settings: [1, 2, 4, 8, 16, 32].map((batch) => ({ teacher: 'AlexNet', shape: images(batch, 224) })),
  },
  {
    title: 'tokens, ViT-S',
    unit: ({ shape }) => (shape[2] / PATCH) ** 2 + 5,
    settings: [112, 224, 364, 504, 714, 1022].map((side) => ({ teacher: 'ViT-S', shape: images(1, side) })),
  },
  {
    title: 'hooks, ViT-S at 224²',
    unit: (_, hooks) => hooks,
    settings: [1, 4, 16, 61, 1000].map((hooks) => ({ teacher: 'ViT-S', shape: images(1, 224), hooks })),
  },
];

/** The loss at `hooks` modules, evenly spread and the last among them. @param {Setting} setting */
async function lossOf({ teacher, file = '', hooks }) {
  const model = await loadModel(file);
  const every = [nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU, nn.LayerNorm];
  const options = { lossFunc: new NormalizedTensorLoss('l2'), printData: false };
  const normalize = new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
  const made = (/** @type {import('../dist/index.js').GlobalPercConfig['modulesToHook']} */ modulesToHook) =>
    new GlobalPercLoss(
      model,
      new GlobalPercConfig({
        ...options,
        modulesToHook,
        ...(teacher === 'AlexNet' && { transformNormalization: normalize }),
      }),
    );
  const whole = made(every);
  if (hooks === undefined || hooks >= whole.hooks.length) return whole;
  const paths = whole.hooks.map(({ path }) => path);
  const chosen = Array.from({ length: hooks }, (_, i) => paths[Math.ceil(((i + 1) * paths.length) / hooks) - 1] ?? '');
  await whole.dispose();
  return made(chosen.map((path) => new RegExp(`^${path.replaceAll('.', '\\.')}$`)));
}

/** @param {Setting} setting */
async function measure(setting) {
  const loss = await lossOf(setting);
  const [pred, target] = [image(setting.shape), image(setting.shape)];
  const times = [];
  for (let round = -1; round < Number(values.rounds); round += 1) {
    const start = processorMs();
    await loss.valueAndGrad(pred, target);
    if (round >= 0) times.push(processorMs() - start);
  }
  return { ms: median(times), mb: peakMegabytes(), hooks: loss.hooks.length };
}

if (values.point !== undefined) {
  console.log(JSON.stringify(await measure(JSON.parse(values.point))));
  process.exit();
}

/** @type {Point[]} */
const points = [];
for (const { title, unit, settings } of AXES) {
  console.log(title);
  const most = Number(values.most) * unit(/** @type {Setting} */ (settings.at(-1)), Number.POSITIVE_INFINITY);
  for (const setting of settings) {
    if (unit(setting, 0) > most) continue;
    const options = [
      '--rounds',
      values.rounds,
      '--point',
      JSON.stringify({ ...setting, file: await TEACHERS[setting.teacher](setting.shape) }),
    ];
    const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...options], {
      encoding: 'utf8',
    });
    if (!stdout) throw new Error(stderr);
    const { ms, mb, hooks } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    const at = unit(setting, hooks);
    points.push({ axis: title, at, ms, mb });
    console.log(`  ${String(at).padStart(8)}  ${ms.toFixed(0).padStart(6)} ms  ${mb.toFixed(0).padStart(5)} MB`);
  }
}

/** @param {string} axis @param {'ms' | 'mb'} field @param {string} title */
const panel = (axis, field, title) => ({
  width: 200,
  height: 160,
  data: { values: points.filter((point) => point.axis === axis) },
  mark: { type: 'line', point: true },
  encoding: {
    x: {
      field: 'at',
      type: 'quantitative',
      title: axis,
      scale: { type: 'log', base: 2, nice: false },
      axis: {
        format: ',d',
        values: points.filter((point) => point.axis === axis).map(({ at }) => at),
        labelOverlap: false,
        labelFlush: false,
      },
    },
    y: {
      field,
      type: 'quantitative',
      title,
      scale: { type: 'log' },
      axis: { format: '~s', tickCount: 3, minExtent: 36 },
    },
  },
});

await writePlot(
  values.out,
  await toSvg({
    background: 'white',
    padding: 10,
    columns: AXES.length,
    concat: [
      ...AXES.map(({ title }) => panel(title, 'ms', 'a step, ms of a core')),
      ...AXES.map(({ title }) => panel(title, 'mb', 'peak memory, MB')),
    ],
  }),
);
if (values.json) writeFileSync(values.json, `${JSON.stringify(points, null, 2)}\n`);
console.log(values.out);
