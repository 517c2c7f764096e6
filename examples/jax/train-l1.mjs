/** Trains a small network of jax-js to sharpen photographs: `node examples/jax/train-l1.mjs [steps]`. */
import { lax, nn, numpy as np, random, tree, valueAndGrad } from '@jax-js/jax';
import { batches } from './photos.mjs';

const STEPS = Number(process.argv[2] ?? 100);
const LEARNING_RATE = 3e-3;

/** Weights of a 3×3 convolution, [out, in, 3, 3] and [out], initialised as Glorot and Bengio 2010 do. */
const layer = (seed, inChannels, outChannels) => ({
  weight: random
    .normal(random.key(seed), [outChannels, inChannels, 3, 3])
    .mul(Math.sqrt(2 / (9 * (inChannels + outChannels)))),
  bias: np.zeros([outChannels]),
});

const conv = (x, { weight, bias }) => lax.conv(x, weight, [1, 1], 'SAME').add(bias.reshape([1, -1, 1, 1]));

/** A residual network of two convolutions; x is [B, 3, H, W]. */
const student = ([first, second], x) => conv(nn.relu(conv(x.ref, first)), second).add(x);

const lossAndGrads = valueAndGrad((params, x, y) => np.abs(student(params, x).sub(y)).mean());

/** One step of Adam (Kingma & Ba 2015). */
function adam(params, grads, { mean, square, step }) {
  const next = {
    mean: tree.map((m, g) => m.mul(0.9).add(g.mul(0.1)), mean, tree.ref(grads)),
    square: tree.map((v, g) => v.mul(0.999).add(np.square(g).mul(0.001)), square, grads),
    step: step + 1,
  };
  const rate = (LEARNING_RATE * Math.sqrt(1 - 0.999 ** next.step)) / (1 - 0.9 ** next.step);
  const move = (p, m, v) => p.sub(m.mul(rate).div(np.sqrt(v).add(1e-8)));
  return [tree.map(move, params, tree.ref(next.mean), tree.ref(next.square)), next];
}

let params = [layer(0, 3, 16), layer(1, 16, 3)];
let state = {
  mean: tree.map(np.zerosLike, tree.ref(params)),
  square: tree.map(np.zerosLike, tree.ref(params)),
  step: 0,
};
let sum = 0;

for await (const [x, y] of batches({ batchSize: 4, side: 32 })) {
  const [value, grads] = await lossAndGrads(tree.ref(params), x, y);
  [params, state] = adam(params, grads, state);
  sum += value.item();
  if (state.step % 20 === 0) {
    console.log(`step ${state.step}: loss ${(sum / 20).toFixed(4)}`);
    sum = 0;
  }
  if (state.step === STEPS) break;
}
