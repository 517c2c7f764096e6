/**
 * DINOv2 ViT-S/14 with registers that reads latents 1×4×64×64, padded to 42×42 patches, hooks on every convolution, ReLU, Linear, GELU and
 * LayerNorm: loss, gradient, memory. Weights are those of `python fixtures/make_latents.py --full`, which prints PyTorch's numbers.
 *
 *     node bench/latents.mjs
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  exportOnnx,
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  models,
  NormalizedTensorLoss,
  transforms,
} from 'globalperc';

/** @param {readonly number[]} dims @param {number} seed @param {number} scale */
const numbers = (dims, seed, scale) => {
  const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
  for (let k = 0; k < data.length; k += 1) data[k] = scale * Math.sin((k + 1) * (seed + 1));
  return { dims, data };
};

const model = models.dinov2Vits14Reg({ patchEmbed: new models.DinoLatentHeader(), patchSize: 2 });
// As the script in Python counts them: PyTorch lists parameters of a module before those of its children.
for (const [seed, [name, parameter]] of [...model.namedParameters()].entries()) {
  const { shape } = parameter;
  const isSmall = shape.length < 2 || /token|pos/.test(name);
  const fan = shape.slice(1).reduce((product, size) => product * size, 1);
  const { data } = numbers(shape, seed, isSmall ? 0.02 : Math.sqrt(2 / fan));
  parameter.data = /norm.*weight$|gamma/.test(name) ? data.map((value) => value + 1) : data;
}
// From a file, in which its weights stay.
const folder = await mkdtemp(join(tmpdir(), 'latents-'));
const file = join(folder, 'dinov2.onnx');
await exportOnnx(model, file, { input: [1, 4, 84, 84] });
const teacher = await loadModel(file);
const config = new GlobalPercConfig({
  curveForce: 3,
  modulesToHook: ['Conv2d', 'ReLU', 'Linear', 'GELU', 'LayerNorm'],
  transformNormalization: new transforms.Pad(10),
  lossFunc: new NormalizedTensorLoss('l2', 'mean', 'cosine'),
  printData: false,
});
const loss = new GlobalPercLoss(teacher, config);
const [pred, target] = [numbers([1, 4, 64, 64], 0, 1), numbers([1, 4, 64, 64], 1, 1)];
const { value, grad, hooks } = await loss.valueAndGrad(pred, target);
const first = process.resourceUsage().maxRSS / 2 ** 20;
await loss.valueAndGrad(pred, target);
const peak = process.resourceUsage().maxRSS / 2 ** 20;
console.log(
  `loss ${value.toFixed(6)}, ${hooks.length} hooks, |grad| ${Math.hypot(...grad.data).toExponential(6)}, ` +
    `${first.toFixed(2)} GB with compilation, ${peak.toFixed(2)} GB with a second call`,
);
await loss.dispose();
await rm(folder, { recursive: true });
