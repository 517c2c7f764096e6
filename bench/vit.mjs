/**
 * ViT-S/14 at 504², 61 hooks: one loss and gradient step, globalperc against the original code in PyTorch, in turn.
 *
 *   npm run build && node bench/vit.mjs MODEL.onnx [PYTHON] [ROUNDS]
 *
 * MODEL.onnx comes from `python bench/torch_step.py export MODEL.onnx`; PYTHON is the interpreter whose torch is timed.
 */
import { fileURLToPath } from 'node:url';
import { GlobalPercConfig, GlobalPercLoss, loadModel, NormalizedTensorLoss, nn } from '../dist/index.js';
import { median, startTorch } from './torch.mjs';

const [modelPath = 'vit.onnx', python = 'python3', rounds = '5'] = process.argv.slice(2);
const size = 504;
const image = () => ({ dims: [1, 3, size, size], data: Float32Array.from({ length: 3 * size * size }, Math.random) });

const modulesToHook = [nn.Linear, nn.Conv2d, nn.ReLU, nn.GELU];
const config = { curveForce: 3, modulesToHook, lossFunc: new NormalizedTensorLoss('l2'), printData: false };
const loss = new GlobalPercLoss(await loadModel(modelPath), new GlobalPercConfig(config));
const [pred, target] = [image(), image()];
const encoded = await loss.encode(target);

const torch = await startTorch(python, fileURLToPath(new URL('./torch_step.py', import.meta.url)));
/** @param {() => Promise<unknown>} step */
const timed = async (step) => {
  const start = performance.now();
  await step();
  return performance.now() - start;
};

const ours = [];
const cached = [];
const theirs = [];
let torchMemory = 0;
for (let round = -1; round < Number(rounds); round += 1) {
  const { milliseconds, megabytes } = await torch.step();
  const ourTime = await timed(() => loss.valueAndGrad(pred, target));
  const cachedTime = await timed(() => loss.valueAndGrad(pred, encoded));
  torchMemory = megabytes;
  if (round < 0) continue; // Warm-up.
  theirs.push(milliseconds);
  ours.push(ourTime);
  cached.push(cachedTime);
}
torch.stop();
console.log(`${loss.hooks.length} hooks, ${size}², medians of ${rounds} rounds`);
console.log(`torch ${torch.version}: ${median(theirs).toFixed(0)} ms, peak ${torchMemory.toFixed(0)} MB`);
console.log(
  `globalperc: ${median(ours).toFixed(0)} ms (${(median(ours) / median(theirs)).toFixed(2)}×), target encoded ${median(cached).toFixed(0)} ms; peak of the process with both sessions ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
);
await loss.dispose();
