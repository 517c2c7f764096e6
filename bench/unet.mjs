/**
 * UNet(3, 32, 3, depth 3) at 8×3×128×128, perceptual loss with a VGG-like teacher, AdamW: one training step, globalperc
 * against PyTorch, in turn.
 *
 *   npm run build && node bench/unet.mjs TEACHER.onnx [PYTHON] [ROUNDS]
 *
 * TEACHER.onnx comes from `python bench/torch_unet.py export TEACHER.onnx`; PYTHON is the interpreter whose torch is timed.
 */
import { fileURLToPath } from 'node:url';
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
} from '../dist/index.js';
import { median, startTorch } from './torch.mjs';

const [teacherPath = 'teacher.onnx', python = 'python3', rounds = '5'] = process.argv.slice(2);
const batch = [8, 3, 128, 128];
const image = () => ({ dims: batch, data: Float32Array.from({ length: 8 * 3 * 128 * 128 }, Math.random) });

const config = new GlobalPercConfig({
  curveForce: 3,
  modulesToHook: [nn.Conv2d, nn.ReLU],
  transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
  lossFunc: new NormalizedTensorLoss('l2'),
  printData: false,
});
const loss = new GlobalPercLoss(await loadModel(teacherPath), config);
const trainer = await Trainer.create(new models.UNet(3, 32, 3), loss, new optim.AdamW({ lr: 1e-3 }), { batch });
const [input, target] = [image(), image()];
const torch = await startTorch(python, fileURLToPath(new URL('./torch_unet.py', import.meta.url)));

const ours = [];
const theirs = [];
let torchMemory = 0;
for (let round = -1; round < Number(rounds); round += 1) {
  const { milliseconds, megabytes } = await torch.step();
  const start = performance.now();
  await trainer.step(input, target);
  const taken = performance.now() - start;
  torchMemory = megabytes;
  if (round < 0) continue; // Warm-up.
  theirs.push(milliseconds);
  ours.push(taken);
}
torch.stop();
const memory = process.resourceUsage().maxRSS / 1024;
console.log(`${loss.hooks.length} hooks, [${batch}], medians of ${rounds} rounds`);
console.log(`torch ${torch.version}: ${median(theirs).toFixed(0)} ms, peak ${torchMemory.toFixed(0)} MB`);
console.log(
  `globalperc: ${median(ours).toFixed(0)} ms (${(median(ours) / median(theirs)).toFixed(2)}×), peak ${memory.toFixed(0)} MB (${(memory / torchMemory).toFixed(2)}×)`,
);
await trainer.dispose();
