/** Models, losses and trainers that are made and disposed of, again and again. */
import { readFileSync } from 'node:fs';
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn, optim, Trainer } from '../../dist/index.js';
import { at, noise, times } from '../common.mjs';
import { Resident } from '../resident.mjs';

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export async function run(scale) {
  const count = times(scale, 1000);
  const bytes = new Uint8Array(readFileSync(at('../fixtures/data/training/vgg.onnx')));
  const dims = [1, 3, 16, 16];
  const [a, b] = [noise(768, Math.random), noise(768, Math.random)].map((data) => ({ dims, data }));
  const resident = new Resident(count);
  const values = new Set();
  for (let round = 1; round <= count; round += 1) {
    const loss = new GlobalPercLoss(await loadModel(bytes), new GlobalPercConfig({ printData: false }));
    values.add((await loss.valueAndGrad(/** @type {any} */ (a), /** @type {any} */ (b))).value);
    const trainer = await Trainer.create(new nn.Conv2d(3, 3, 3, { padding: 1 }), loss, new optim.AdamW({ lr: 1e-4 }), {
      batch: dims,
    });
    await trainer.step(/** @type {any} */ (a), /** @type {any} */ (b));
    await trainer.dispose();
    await loss.dispose();
    resident.after(round);
  }
  return {
    tried: `${count} models loaded, as many losses and trainers made, used and disposed of`,
    lost: [...(values.size === 1 ? [] : [`${values.size} values`]), ...resident.lost('objects')],
    found: `always the same value; ${resident.found}`,
  };
}
