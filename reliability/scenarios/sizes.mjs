/** One loss that is called with images of fifty sizes, again and again: more than it keeps programs for. */
import { GlobalPercConfig, GlobalPercLoss, loadModel } from '../../dist/index.js';
import { at, times } from '../common.mjs';
import { Resident } from '../resident.mjs';

const SIZES = 50;

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export async function run(scale) {
  const rounds = times(scale, 20);
  const model = await loadModel(at('../fixtures/data/training/vgg.onnx'));
  const loss = new GlobalPercLoss(model, new GlobalPercConfig({ printData: false }));
  const resident = new Resident(rounds * SIZES);
  /** @type {Map<number, number>} */
  const first = new Map();
  const lost = [];
  for (let round = 0; round < rounds; round += 1) {
    for (let size = 0; size < SIZES; size += 1) {
      const dims = [1, 3, 16 + (size % 10), 16 + Math.floor(size / 10)];
      const length = dims.reduce((product, dim) => product * dim);
      const [pred, target] = [0, 1].map((phase) => Float32Array.from({ length }, (_, i) => Math.sin(i + phase)));
      const { value } = await loss.valueAndGrad(
        { dims, data: /** @type {Float32Array} */ (pred) },
        { dims, data: /** @type {Float32Array} */ (target) },
      );
      if ((first.get(size) ?? value) !== value) lost.push(`size ${dims}: ${value} instead of ${first.get(size)}`);
      first.set(size, value);
      resident.after(round * SIZES + size + 1);
    }
  }
  await loss.dispose();
  return {
    tried: `a loss called with ${SIZES} sizes, ${rounds} times each in turn`,
    lost: [...lost, ...resident.lost('sizes')],
    found: `always the same values; ${resident.found}`,
  };
}
