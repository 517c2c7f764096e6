/**
 * Our side of the benchmark against rivals: a process of its own for each variant.
 *
 *   node ours.mjs WORKLOAD VARIANT MODEL.onnx
 *
 * A first line {"version", "first", "second"} – milliseconds from reading the model to its first gradient, and to the first one of another
 * size –, then a step per line of stdin, answered by {"ms", "mb"}. Variants: "ours"; "encoded", whose target is known; "sizes", which alone
 * measures the second size.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  models,
  NormalizedTensorLoss,
  nn,
  optim,
  Trainer,
  transforms,
} from '../../dist/index.js';
import { image, peakMegabytes } from '../measured.mjs';

/** @typedef {{ shape: number[], other?: number[], student?: string, memory?: import('../../dist/index.js').MemorySize }} Workload */

const [name = '', variant = 'ours', modelPath = ''] = process.argv.slice(2);
/** @type {Workload} */
const workload = JSON.parse(readFileSync(new URL('workloads.json', import.meta.url), 'utf8'))[name];

// What the library says must not stand between the answers.
console.info = console.error;

const made = async () =>
  new GlobalPercLoss(
    await loadModel(modelPath),
    new GlobalPercConfig({
      curveForce: 3,
      modulesToHook: [nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU],
      lossFunc: new NormalizedTensorLoss('l2'),
      printData: false,
      ...(workload.student && {
        transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
      }),
    }),
    workload.memory ? { memory: workload.memory } : {},
  );

/** @param {() => Promise<unknown>} work @returns {Promise<number>} milliseconds */
async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const VARIANTS = {
  async ours() {
    const [pred, target] = [image(workload.shape), image(workload.shape)];
    /** @type {GlobalPercLoss} */
    let loss;
    const first = await timed(async () => {
      loss = await made();
      await loss.valueAndGrad(pred, target);
    });
    return { first, step: () => loss.valueAndGrad(pred, target) };
  },
  async encoded() {
    const [pred, target] = [image(workload.shape), image(workload.shape)];
    const loss = await made();
    const encoded = await loss.encode(target);
    return { step: () => loss.valueAndGrad(pred, encoded) };
  },
  async sizes() {
    const { first, step } = await VARIANTS.ours();
    const loss = await made();
    await loss.valueAndGrad(image(workload.shape), image(workload.shape));
    const other = workload.other ?? workload.shape;
    const [pred, target] = [image(other), image(other)];
    return { first, second: await timed(() => loss.valueAndGrad(pred, target)), step };
  },
  async trainer() {
    const [input, target] = [image(workload.shape), image(workload.shape)];
    /** @type {Trainer} */
    let trainer;
    const first = await timed(async () => {
      const options = { batch: workload.shape };
      trainer = await Trainer.create(new models.UNet(3, 32, 3), await made(), new optim.AdamW({ lr: 1e-3 }), options);
      await trainer.step(input, target);
    });
    return { first, step: () => trainer.step(input, target) };
  },
};

const kind = workload.student ? 'trainer' : /** @type {keyof typeof VARIANTS} */ (variant);
const { step, ...begun } = await VARIANTS[kind]();
await step();
console.log(JSON.stringify({ version: process.version, ...begun }));
for await (const _ of createInterface({ input: process.stdin })) {
  const ms = await timed(step);
  console.log(JSON.stringify({ ms, mb: peakMegabytes() }));
}
process.exit();
