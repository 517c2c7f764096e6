/**
 * Trains the teacher of `globalperc demo` with the package's own trainer, and writes assets/teacher.onnx.
 *
 *   npm run train:teacher
 */
import { mkdir } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import { concat, DataLoader, exportOnnx, nn, optim, Trainer } from 'globalperc';
import { DISTORTIONS } from './distortions.mjs';
import { PretextSamples, SOURCES } from './samples.mjs';
import { SIZE } from './textures.mjs';

const [STEPS, BATCH, RATE, SEED] = [350, 32, 3e-4, 0];
const OUT = 'assets/teacher.onnx';
/** Channels of the convolutions; the image is halved after every second one. */
const CHANNELS = [24, 24, 48, 48, 96, 96, 128];

/**
 * @typedef {import('globalperc').Objective} Objective
 * @typedef {import('globalperc').LossDescription<Tensor>} ImageDescription
 * @typedef {import('globalperc').Tensor} Tensor
 */

/** Images in [0, 1] as the convolutions like them. @param {Tensor} image */
const centred = (image) => image.sub(0.5).mul(4);

/** Convolution, batch norm, ReLU; average pooling after every second. */
class Trunk extends nn.Module {
  constructor() {
    super();
    const layers = CHANNELS.flatMap((channels, i) => [
      new nn.Conv2d(CHANNELS[i - 1] ?? 3, channels, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(channels),
      new nn.ReLU(),
      ...(i % 2 === 1 ? [new nn.AvgPool2d(2)] : []),
    ]);
    this.features = new nn.Sequential(...layers);
  }

  /** @param {Tensor} image */
  forward(image) {
    return this.features(centred(image));
  }
}

/** The trunk with one linear layer that gives all answers at once. */
class Pretext extends nn.Module {
  constructor() {
    super();
    this.trunk = new Trunk();
    this.head = new nn.Linear(CHANNELS.at(-1) ?? 0, SOURCES + DISTORTIONS + 1);
  }

  /** @param {Tensor} image */
  forward(image) {
    return this.head(this.trunk(image).mean([2, 3]));
  }
}

/** Cross-entropy of source and of distortion, and twice the squared error of the strength. @implements {Objective} */
class PretextLoss {
  classes = new nn.CrossEntropyLoss();
  strength = new nn.MSELoss();

  /** @type {ImageDescription} */
  description = {
    // biome-ignore-start lint/correctness/useYield: nothing to ask the engine
    *prediction({ output }) {
      return output;
    },
    *target({ target }) {
      return target;
    },
    // biome-ignore-end lint/correctness/useYield: nothing to ask the engine
    targetType: ({ shape }) => ({ dtype: 'float32', shape: [shape[0] ?? 0, 3] }),
    compare: (output, target) => this.compared(output, target),
  };

  /** @param {Tensor} output @param {Tensor} target */
  compared(output, target) {
    /** @param {Tensor} tensor @param {number} from @param {number} to */
    const columns = (tensor, from, to) => tensor.slice([1], [from], [to]);
    const answer = (/** @type {number} */ i) => columns(target, i, i + 1);
    const logits = [columns(output, 0, SOURCES), columns(output, SOURCES, SOURCES + DISTORTIONS)];
    const losses = logits.map((scores, i) => this.classes.forward(scores, answer(i).squeeze([1])));
    losses.push(this.strength.forward(columns(output, SOURCES + DISTORTIONS, SOURCES + DISTORTIONS + 1), answer(2)));
    const weights = [1, 1, 2];
    const hookLosses = concat(
      losses.map((loss) => loss.reshape([1])),
      0,
    );
    const loss = losses.map((term, i) => term.mul(weights[i] ?? 0)).reduce((sum, term) => sum.add(term));
    const hooks = ['source', 'distortion', 'strength'].map((path, index) => ({
      index,
      path,
      class: 'head',
      shape: [],
      weight: weights[index] ?? 0,
    }));
    return { loss, hookLosses, hooks };
  }
}

/** The trunk for inference: each batch norm merged into the convolution before it. */
class Teacher extends nn.Module {
  /** @param {Trunk} trunk */
  constructor(trunk) {
    super();
    const layers = [...trunk.features];
    const merged = layers.flatMap((layer, i) => {
      if (layer instanceof nn.Conv2d) return [mergedConvolution(layer, /** @type {nn.BatchNorm2d} */ (layers[i + 1]))];
      return layer instanceof nn.BatchNorm2d ? [] : [layer];
    });
    this.features = new nn.Sequential(...merged);
  }

  /** @param {Tensor} image */
  forward(image) {
    return this.features(centred(image));
  }
}

/** w′ = w·γ/√(σ² + ε), b′ = β − μ·γ/√(σ² + ε). @param {nn.Conv2d} convolution @param {nn.BatchNorm2d} norm */
function mergedConvolution(convolution, norm) {
  const [outputs = 0, inputs = 0] = convolution.weight.shape;
  const merged = new nn.Conv2d(inputs, outputs, 3, { padding: 1 });
  const { weight, bias, running_mean: mean, running_var: variance } = norm;
  const fan = convolution.weight.data.length / outputs;
  for (let i = 0; i < outputs; i += 1) {
    const factor = (weight?.data[i] ?? 1) / Math.sqrt(Number(variance?.data[i]) + norm.eps);
    for (let j = i * fan; j < (i + 1) * fan; j += 1) merged.weight.data[j] = (convolution.weight.data[j] ?? 0) * factor;
    if (merged.bias) merged.bias.data[i] = (bias?.data[i] ?? 0) - Number(mean?.data[i]) * factor;
  }
  return merged;
}

nn.manualSeed(SEED);
const student = new Pretext();
const warmUp = Math.round(STEPS / 10);
const schedule = new optim.lrScheduler.SequentialLR(
  [
    new optim.lrScheduler.LinearLR({ startFactor: 0.04, totalIters: warmUp }),
    new optim.lrScheduler.CosineAnnealingLR({ tMax: STEPS - warmUp }),
  ],
  [warmUp],
);
const optimizer = new optim.AdamW({ lr: RATE, weightDecay: 0.01, schedule });
const trainer = await Trainer.create(student, new PretextLoss(), optimizer, { batch: [BATCH, 3, SIZE, SIZE] });
const loader = new DataLoader(await PretextSamples.open(), { batchSize: BATCH, seed: SEED });
const bar = new SingleBar({ format: '{bar} {value}/{total}  {losses}  {eta_formatted} left', etaBuffer: 50 });
bar.start(STEPS, 0, { losses: '' });
/** @type {number[]} */
let means = [];
for await (const { input, target } of loader.stream()) {
  const { step, hooks } = await trainer.step(input, target);
  means = hooks.map(({ loss }, i) => 0.97 * (means[i] ?? loss) + 0.03 * loss);
  bar.update(step, { losses: hooks.map(({ path }, i) => `${path} ${means[i]?.toFixed(3)}`).join('  ') });
  if (step === STEPS) break;
}
bar.stop();
await trainer.synchronize();
await mkdir('assets', { recursive: true });
await exportOnnx(new Teacher(student.trunk), OUT, { input: [1, 3, SIZE, SIZE] });
console.log(`${OUT}: ${hooksSummary(means)}`);

/** @param {number[]} losses */
function hooksSummary(losses) {
  return ['source', 'distortion', 'strength'].map((name, i) => `${name} ${losses[i]?.toFixed(3)}`).join(', ');
}
await trainer.dispose();
