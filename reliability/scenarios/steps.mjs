/** Very many steps of one training run, with checkpoints. */
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn, optim, Trainer } from '../../dist/index.js';
import { at, checkpointsIn, inFolder, litterIn, noise, times } from '../common.mjs';
import { Resident } from '../resident.mjs';

const CHECKPOINT_EVERY = 50;

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const count = times(scale, 10_000);
    const student = new nn.Sequential(
      new nn.Conv2d(3, 8, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.Conv2d(8, 3, 3, { padding: 1 }),
    );
    const model = await loadModel(at('../fixtures/data/training/vgg.onnx'));
    const loss = new GlobalPercLoss(model, new GlobalPercConfig({ printData: false }));
    const batch = [2, 3, 16, 16];
    const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 1e-4 }), { batch });
    const resident = new Resident(count);
    /** @type {string[]} */
    const lost = [];
    while (trainer.steps < count) {
      const [input, target] = [noise(1536, Math.random), noise(1536, Math.random)];
      await trainer.step({ dims: batch, data: input }, { dims: batch, data: target });
      if (trainer.steps % CHECKPOINT_EVERY === 0) await trainer.save(folder);
      resident.after(trainer.steps);
    }
    await trainer.save(folder);
    const left = [...checkpointsIn(folder), ...litterIn(folder)];
    if (left.length !== 1) lost.push(`left in the folder: ${left}`);
    await trainer.dispose();
    return {
      tried: `${count} steps, a checkpoint after every ${CHECKPOINT_EVERY}`,
      lost: [...lost, ...resident.lost('steps')],
      found: resident.found,
    };
  });
