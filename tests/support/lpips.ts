/** What `fixtures/make_lpips.py` stores of LPIPS and DISTS. */
import { fileURLToPath } from 'node:url';
import { readFixture } from './safetensors.js';

export interface LpipsCase {
  readonly name: string;
  readonly net: 'alex' | 'vgg' | 'squeeze' | 'dists';
  readonly pred: string;
  readonly target: string;
  readonly grad: string;
  /** Of each layer, and their sum. */
  readonly losses: number[];
  /** The same of each sample. */
  readonly samples: number[][];
  /** The package's spatial map; DISTS has none. */
  readonly map?: string;
  /** How far the package's own float32 results are from these: of the losses, the largest, relative to them. */
  readonly noise: number;
  readonly gradNoise: number;
}

export const lpipsFixture = readFixture<LpipsCase>('lpips/lpips.safetensors');

/** Weights of SqueezeNet 1.1, as torchvision publishes them. */
export const SQUEEZENET = fileURLToPath(new URL('../../fixtures/data/lpips/squeezenet1_1.pth', import.meta.url));
