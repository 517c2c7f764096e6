/** The export recipes write files whose batch and size are open: the loss of each is PyTorch's for several. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, loadModel } from '../../src/index.js';
import { relativeError } from '../support/run.js';
import { BLOCKS, ROOT } from './documents.js';

interface Recipes {
  readonly blocks: readonly { readonly document: string; readonly block: string }[];
  readonly config: object;
  readonly cases: readonly {
    readonly model: string;
    readonly shape: number[];
    readonly loss: number;
    readonly gradNorm: number;
  }[];
}

const FOLDER = `${ROOT}/fixtures/data/recipes`;
const recipes: Recipes = JSON.parse(readFileSync(`${FOLDER}/recipes.json`, 'utf8'));

it('the recipes are those that were run: fixtures/make_recipes.py', () => {
  const written = BLOCKS.filter(({ language }) => language === 'py');
  expect(written.map(({ document, code }) => ({ document, block: `${code}\n` }))).toEqual(recipes.blocks);
});

function waves(dims: number[], length: number) {
  const size = dims.reduce((a, b) => a * b);
  return { dims, data: Float32Array.from({ length: size }, (_, i) => (1 + Math.sin(i / length)) / 2) };
}

describe.each([...new Set(recipes.cases.map(({ model }) => model))])('%s', (name) => {
  it.each(recipes.cases.filter(({ model }) => model === name))('of shape $shape', async ({ shape, loss, gradNorm }) => {
    const config = GlobalPercConfig.fromJSON({ ...recipes.config, printData: false });
    await using perceptual = new GlobalPercLoss(await loadModel(`${FOLDER}/${name}`), config);
    const { value, grad } = await perceptual.valueAndGrad(waves(shape, 5), waves(shape, 7));
    expect(relativeError([value], [loss])).toBeLessThan(1e-5);
    const norm = Math.sqrt(grad.data.reduce((sum, slope) => sum + slope * slope, 0));
    expect(relativeError([norm], [gradNorm])).toBeLessThan(1e-4);
  });
});
