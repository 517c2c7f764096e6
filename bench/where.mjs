/**
 * What samples, masks and maps cost: time of a batch of four, in turn, and peak memory of processes of their own.
 *
 *   npm run build && node bench/where.mjs [ROUNDS] [SIDE]
 *
 * The loss is AlexNet's activations at each ReLU, `NormalizedTensorLoss('l1', 'mean', 'none')`. Samples are always computed: a
 * distance without `elements`, and otherwise the same, is the loss without them.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { GlobalPercConfig, GlobalPercLoss, loadModel, NormalizedTensorLoss, nn, transforms } from '../dist/index.js';
import { image, peakMegabytes } from './measured.mjs';
import { median } from './median.mjs';

const [rounds = '7', side = '224', only] = process.argv.slice(2);
const BATCH = 4;
const dims = [BATCH, 3, Number(side), Number(side)];
const mask = image([BATCH, 1, ...dims.slice(2)]);

const distance = new NormalizedTensorLoss('l1', 'mean', 'none');
/** @param {import('../dist/index.js').LossFunc} lossFunc */
const made = async (lossFunc) =>
  new GlobalPercLoss(
    await loadModel(fileURLToPath(new URL('../assets/lpips-alex.onnx', import.meta.url))),
    new GlobalPercConfig({
      modulesToHook: [nn.ReLU],
      transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
      lossFunc,
      printData: false,
    }),
  );

const [pred, target] = [image(dims), image(dims)];
const whole = await made(distance);
const plain = await made({ forward: (input, other) => distance.forward(input, other) });
/** @type {Record<string, () => Promise<unknown>>} */
const STEPS = {
  'gradient, no samples': () => plain.valueAndGrad(pred, target),
  'gradient and samples': () => whole.valueAndGrad(pred, target),
  'gradient, samples, mask': () => whole.valueAndGrad(pred, target, { mask }),
  'value, no samples': () => plain.evaluate(pred, target),
  map: () => whole.map(pred, target),
  'map and those of the hooks': () => whole.map(pred, target, { hooks: true }),
};

if (only !== undefined) {
  await STEPS[only]?.();
  console.log(peakMegabytes());
  process.exit();
}

/** @type {Map<string, number[]>} */
const times = new Map(Object.keys(STEPS).map((name) => [name, []]));
const steps = Object.entries(STEPS);
for (let round = -1; round < Number(rounds); round += 1) {
  // Each is the first in turn: what comes first is slower.
  steps.push(...steps.splice(0, 1));
  for (const [name, step] of steps) {
    const start = performance.now();
    await step();
    if (round >= 0) times.get(name)?.push(performance.now() - start);
  }
}

const base = median(times.get('gradient, no samples') ?? []);
const value = median(times.get('value, no samples') ?? []);
console.log(`AlexNet, 5 hooks, [${dims}], medians of ${rounds} rounds`);
for (const name of Object.keys(STEPS)) {
  const time = median(times.get(name) ?? []);
  const { stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), rounds, side, name], {
    encoding: 'utf8',
  });
  const ratio = time / (name.startsWith('gradient') ? base : value);
  console.log(`${name}: ${time.toFixed(0)} ms (${ratio.toFixed(3)}×), peak ${Number(stdout).toFixed(0)} MB`);
}
process.exit();
