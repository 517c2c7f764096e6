/** Calls a loss with larger and larger images until memory ends, then with a small one again; tells what came of it as JSON. */
import { GlobalPercConfig, GlobalPercError, GlobalPercLoss, loadModel } from '../../dist/index.js';
import { at } from '../common.mjs';

const config = new GlobalPercConfig({ printData: false });
const model = await loadModel(at('../fixtures/data/training/vgg.onnx'));
const loss = new GlobalPercLoss(model, config, { session: { intraOpNumThreads: 1 } });
const blocking = process.argv[2] === 'blocked' ? await loss.synchronous() : undefined;

/** @param {number} side */
async function lossAt(side) {
  const image = { dims: [1, 3, side, side], data: new Float32Array(3 * side * side).map((_, i) => (i % 7) / 7) };
  const other = { ...image, data: image.data.map((value) => 1 - value) };
  return (await (blocking ?? loss).valueAndGrad(image, other)).value;
}

const first = await lossAt(16);
let refused;
let side = Number(process.argv[3]);
for (; refused === undefined && side < 30_000; side = Math.ceil(side * 1.3)) {
  try {
    await lossAt(side);
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    refused = { code: error.code, message: error.message };
  }
}
const last = await lossAt(16);
console.log(JSON.stringify({ side, refused, same: first === last }));
