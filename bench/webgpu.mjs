/**
 * What a training step comes to on WebGPU: kernels on the device, operators on the CPU, bytes that cross, and its time beside the CPU's.
 *
 *   npm run build && node bench/webgpu.mjs [STEPS] [SIDE]
 *
 * The student is UNet(3, 16, 3), the loss L1 + LPIPS, the optimiser AdamW, the batch two images. On the GPU that Vulkan, Metal or Direct3D finds, or the
 * software adapter that VK_DRIVER_FILES names, whose time says nothing of a GPU's.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LPIPS, models, nn, optim, Trainer } from '../dist/index.js';
import { image } from './measured.mjs';
import { median } from './median.mjs';

const [steps = '5', side = '64'] = process.argv.slice(2);
const dims = [2, 3, Number(side), Number(side)];
const [input, target] = [image(dims), image(dims)];

/** Seconds of each step. @param {import('../dist/index.js').SessionOptions} session */
async function timed(session) {
  nn.manualSeed(0);
  const loss = new nn.WeightedLoss([
    [new nn.L1Loss(), 1],
    [new LPIPS(), 1],
  ]);
  const student = new models.UNet(3, 16, 3);
  const trainer = await Trainer.create(student, loss, new optim.AdamW(), { batch: dims, session });
  const times = [];
  for (let i = 0; i <= Number(steps); i += 1) {
    const start = performance.now();
    await trainer.step(input, target);
    times.push((performance.now() - start) / 1000);
  }
  const state = student.parameters().reduce((sum, { data }) => sum + 3 * data.byteLength, 0);
  await trainer.dispose();
  return { times: times.slice(1), state };
}

/** What a profile of ONNX Runtime holds of each node that ran. @param {string} file */
const kernels = (file) =>
  JSON.parse(readFileSync(file, 'utf8'))
    .filter((/** @type {any} */ event) => event.cat === 'Node' && event.name.endsWith('_kernel_time'))
    .map((/** @type {any} */ event) => event.args);

const folder = mkdtempSync(join(tmpdir(), 'globalperc-'));
const profiled = { enableProfiling: true, profileFilePrefix: join(folder, 'profile') };
const gpu = await timed({ executionProviders: ['webgpu'], ...profiled });
const cpu = await timed({});
// The step is the program with the most kernels; what runs once, and the CPU's check of the first step, are others.
const step = readdirSync(folder)
  .map((file) => kernels(join(folder, file)))
  .filter((/** @type {any[]} */ ran) => ran.some(({ provider }) => provider === 'WebGpuExecutionProvider'))
  .reduce((a, b) => (b.length > a.length ? b : a), []);
rmSync(folder, { recursive: true });
const perStep = (/** @type {(args: any) => boolean} */ counts) => step.filter(counts).length / (Number(steps) + 1);
const isCopy = (/** @type {any} */ { op_name }) => op_name.startsWith('Memcpy');
const copied = step
  .filter(isCopy)
  .reduce((/** @type {number} */ sum, /** @type {any} */ args) => sum + Number(args.output_size), 0);
console.log(
  `kernels on the device   ${perStep((args) => args.provider === 'WebGpuExecutionProvider' && !isCopy(args))}`,
);
console.log(`operators on the CPU    ${perStep(({ provider }) => provider === 'CPUExecutionProvider')}`);
console.log(`bytes of the batch      ${2 * 4 * dims.reduce((a, b) => a * b)}`);
console.log(`bytes copied besides    ${copied / (Number(steps) + 1)} in ${perStep(isCopy)} copies`);
console.log(`bytes of the state      ${gpu.state}, which stay`);
console.log(
  `seconds a step          ${median(gpu.times).toFixed(3)} on WebGPU, ${median(cpu.times).toFixed(3)} on the CPU`,
);
