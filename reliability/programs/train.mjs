/**
 * A training run in a folder, with a synchronous call of another loss after every step: `node train.mjs <folder> <steps>`. It goes on
 * from the folder's checkpoint, saves every fifth step, and tells a GlobalPercError as JSON.
 */
import {
  Generator,
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  loadModel,
  nn,
  optim,
  Trainer,
} from '../../dist/index.js';
import { at, checkpointsIn } from '../common.mjs';

const [folder, steps] = [String(process.argv[2]), Number(process.argv[3])];

/** @param {number} seed */
function image(seed) {
  const random = new Generator(seed);
  return { dims: [2, 3, 16, 16], data: Float32Array.from({ length: 1536 }, () => random.uniform()) };
}

/** What the run is at. */
let doing = 'starting';

async function run() {
  nn.manualSeed(1);
  const student = new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.Conv2d(8, 3, 3, { padding: 1 }),
  );
  const session = { intraOpNumThreads: 1 };
  const config = new GlobalPercConfig({ printData: false });
  const loss = new GlobalPercLoss(await loadModel(at('../fixtures/data/training/vgg.onnx')), config, { session });
  const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 1e-3 }), {
    batch: [2, 3, 16, 16],
    session,
  });
  if (checkpointsIn(folder).length > 0) await trainer.load(folder);
  const blocking = await loss.synchronous();
  while (trainer.steps < steps) {
    const [input, target] = [image(2 * trainer.steps), image(2 * trainer.steps + 1)];
    doing = 'a step';
    const { loss: trained } = await trainer.step(input, target);
    doing = 'a synchronous call';
    const { value } = blocking.valueAndGrad(input, target);
    if (!Number.isFinite(trained + value)) throw new Error('a loss is not finite');
    doing = 'saving';
    if (trainer.steps % 5 === 0) await trainer.save(folder);
  }
  await trainer.dispose();
}

try {
  await run();
} catch (error) {
  if (!(error instanceof GlobalPercError)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message, doing }));
  process.exitCode = 1;
}
