/**
 * The losses that are compared. A loss is written down as plain data, which is kept with its results: a result counts as long
 * as the loss of its name is still the same.
 *
 * @typedef {import('./teachers.mjs').Teacher} Teacher
 * @typedef {import('../dist/index.js').Loss} Loss
 * @typedef {'l1' | 'mse' | 'ssim' | 'charbonnier' | 'lpips alex'} Ready
 * @typedef {{ teacher: Teacher, hooks: string, distance: string, weights: readonly [start: number, end: number] }} Perceptual
 * @typedef {readonly [what: Ready | Perceptual, share: number]} Term share: the length of its gradient at the start, L1's being 1
 * @typedef {{ name: string, terms: readonly Term[] }} Recipe
 */
import {
  CosineLoss,
  GlobalPercConfig,
  GlobalPercLoss,
  GramLoss,
  LPIPS,
  NormalizedTensorLoss,
  nn,
  UnitLengthLoss,
} from '../dist/index.js';
import { modelOf, normalizeOf } from './teachers.mjs';

/** @type {Readonly<Record<string, import('../dist/index.js').LossFunc>>} */
const DISTANCES = {
  l1: new NormalizedTensorLoss('l1', 'mean', 'none'),
  l2: new NormalizedTensorLoss('l2', 'mean', 'none'),
  Charbonnier: new nn.CharbonnierLoss(),
  'cosine l1': new NormalizedTensorLoss('l1', 'mean', 'cosine'),
  'cosine l2': new NormalizedTensorLoss('l2', 'mean', 'cosine'),
  'minmax l1': new NormalizedTensorLoss('l1', 'mean', 'minmax'),
  'minmax l2': new NormalizedTensorLoss('l2', 'mean', 'minmax'),
  'instancenorm l1': new NormalizedTensorLoss('l1', 'mean', 'instancenorm'),
  'instancenorm l2': new NormalizedTensorLoss('l2', 'mean', 'instancenorm'),
  CosineLoss: new CosineLoss(),
  UnitLengthLoss: new UnitLengthLoss(),
  GramLoss: new GramLoss(),
};

/** @type {Readonly<Record<string, readonly import('../dist/index.js').HookSelector[]>>} */
const HOOKS = {
  activations: [nn.ReLU, nn.ReLU6],
  convolutions: [nn.Conv2d],
  all: [],
  'first two': [/^features\.(1|4)$/],
  'last two': [/^features\.(9|11)$/],
};

/** What everything else differs from in one factor. @type {Perceptual} */
const BASE = { teacher: 'AlexNet', hooks: 'activations', distance: 'l1', weights: [1, 1] };
/** The original's, with its default modules. @type {Perceptual} */
const ORIGINAL = { ...BASE, hooks: 'all', distance: 'cosine l1', weights: [1, 2] };

/** @param {string} name @param {Term[]} terms @returns {Recipe} */
const recipe = (name, ...terms) => ({ name, terms });

/** A perceptual loss alone, and with as much of L1. @param {string} name @param {Perceptual} perceptual */
const withAndWithout = (name, perceptual) => [
  recipe(name, [perceptual, 1]),
  recipe(`${name} + L1`, [perceptual, 1], ['l1', 1]),
];

const TEACHERS = [
  ...withAndWithout('AlexNet', BASE),
  ...withAndWithout('VGG16', { ...BASE, teacher: 'VGG16' }),
  ...withAndWithout('EfficientNet-Lite0', { ...BASE, teacher: 'EfficientNet-Lite0' }),
];

/** On every task. */
export const MAIN = [
  recipe('L1', ['l1', 1]),
  recipe('MSE', ['mse', 1]),
  recipe('SSIM', ['ssim', 1]),
  recipe('L1 + LPIPS', ['l1', 1], ['lpips alex', 1]),
  ...TEACHERS,
  recipe("the original's defaults", [ORIGINAL, 1]),
];

/** One factor changed, by the factor; on the first task. @type {Readonly<Record<string, readonly Recipe[]>>} */
export const VARIATIONS = {
  distance: Object.keys(DISTANCES)
    .filter((distance) => distance !== BASE.distance)
    .flatMap((distance) => withAndWithout(`distance ${distance}`, { ...BASE, distance })),
  weights: [
    ...withAndWithout('weights 1 to 2', { ...BASE, weights: [1, 2] }),
    recipe('weights 1 to 10', [{ ...BASE, weights: [1, 10] }, 1]),
    recipe('weights 10 to 1', [{ ...BASE, weights: [10, 1] }, 1]),
  ],
  hooks: Object.keys(HOOKS)
    .filter((hooks) => hooks !== BASE.hooks)
    .map((hooks) => recipe(`hooks ${hooks}`, [{ ...BASE, hooks }, 1])),
  pixels: [0.03, 0.1, 0.3].map((share) => recipe(`${share} · L1`, [BASE, 1], ['l1', share])),
};

/** @type {Readonly<Record<Ready, () => Loss>>} */
const READY = {
  l1: () => new nn.L1Loss(),
  mse: () => new nn.MSELoss(),
  ssim: () => new nn.SSIMLoss(),
  charbonnier: () => new nn.CharbonnierLoss(),
  'lpips alex': () => new LPIPS(),
};

/** @param {Ready | Perceptual} what */
export async function lossOf(what) {
  if (typeof what === 'string') return READY[what]();
  const config = new GlobalPercConfig({
    modulesToHook: HOOKS[what.hooks] ?? [],
    startWeight: what.weights[0],
    endWeight: what.weights[1],
    transformNormalization: normalizeOf(what.teacher),
    lossFunc: DISTANCES[what.distance] ?? new NormalizedTensorLoss(),
    printData: false,
  });
  return new GlobalPercLoss(await modelOf(what.teacher), config);
}

/** Whether a loss of a recipe is made of this. @param {Recipe} recipe @param {Ready | Teacher} part */
export const isMadeOf = ({ terms }, part) =>
  terms.some(([what]) => (typeof what === 'string' ? what === part : what.teacher === part));
