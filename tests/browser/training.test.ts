/** Losses in real Chromium: on a page's main thread and in Web Workers, with ONNX Runtime Web. */
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss, LPIPS, loadModel } from '../../src/index.js';
import { relativeError } from '../support/run.js';
import { noise, trained } from './scenarios.mjs';
import { openBrowser, type Site, serve, visit } from './site.js';

interface Result {
  readonly losses: number[];
  readonly value: number;
  readonly grad: number[];
  readonly message: string;
  readonly masked: number;
  readonly samples: number[];
  readonly map: number[];
  readonly output: number[];
}

let browser: Browser;
let page: Page;
let sites: Readonly<Record<'whole' | 'unshared' | 'workerless', Site>>;

beforeAll(async () => {
  const [whole, unshared, workerless] = await Promise.all([
    serve(),
    serve({ isolated: false }),
    serve({ worker: false }),
  ]);
  sites = { whole, unshared, workerless };
  browser = await openBrowser({ webgpu: true });
  page = await visit(browser, whole.url);
});

afterAll(async () => {
  await browser.close();
  for (const site of Object.values(sites)) site.close();
});

const run = (on: Page, thread: 'onMainThread' | 'inWebWorker', scenario: string): Promise<Result> =>
  on.evaluate(`${thread}('${scenario}')`);

describe.each(['onMainThread', 'inWebWorker'] as const)('%s', (thread) => {
  it('gives the loss and the gradient that Node gives', async () => {
    const model = await loadModel(fileURLToPath(new URL('../../assets/lpips-alex.onnx', import.meta.url)));
    await using loss = new GlobalPercLoss(model, new GlobalPercConfig({ printData: false }));
    const expected = await loss.valueAndGrad(noise(1), noise(2));
    const { value, grad } = await run(page, thread, 'valueAndGrad');
    expect(relativeError([value], [expected.value])).toBeLessThan(1e-5);
    expect(relativeError(grad, expected.grad.data as Float32Array)).toBeLessThan(1e-4);
  });

  it('fetches the network of LPIPS, which gives what it gives in Node', async () => {
    await using loss = new LPIPS();
    const expected = await loss.valueAndGrad(noise(1), noise(2));
    const { value, grad } = await run(page, thread, 'lpips');
    expect(relativeError([value], [expected.value])).toBeLessThan(1e-5);
    expect(relativeError(grad, expected.grad.data as Float32Array)).toBeLessThan(1e-4);
  });

  it('tells samples apart, maps, and looks where a mask is, as in Node', async () => {
    await using loss = new LPIPS();
    const { samples } = await loss.valueAndGrad(noise(1), noise(2));
    const { map } = await loss.map(noise(1), noise(2));
    const mask = { dims: [1, 1, 32, 32], data: Float32Array.from({ length: 1024 }, (_, i) => (i % 3) / 2) };
    const found = await run(page, thread, 'where');
    expect(relativeError(found.samples, samples as Float32Array)).toBeLessThan(1e-5);
    expect(relativeError(found.map, map.data)).toBeLessThan(1e-5);
    expect(relativeError([found.masked], [await loss.evaluate(noise(1), noise(2), { mask })])).toBeLessThan(1e-5);
  });

  it('computes on WebGPU what the CPU of Node computes', async () => {
    await using loss = new LPIPS();
    const expected = await loss.valueAndGrad(noise(1), noise(2));
    const student = await trained({});
    const found = await run(page, thread, 'webgpu');
    expect(relativeError([found.value], [expected.value])).toBeLessThan(1e-3);
    expect(relativeError(found.grad, expected.grad.data as Float32Array)).toBeLessThan(1e-3);
    expect(relativeError(found.losses, student.losses)).toBeLessThan(1e-3);
    expect(relativeError(found.output, student.output)).toBeLessThan(1e-3);
  });
});

it('says that memory ran out, and goes on', async () => {
  const { message, value } = await run(page, 'onMainThread', 'outOfMemory');
  expect(message).toMatch(/^out-of-memory: memory ran out when ONNX Runtime was to run a session: take smaller images/);
  expect(value).toBeGreaterThan(0);
});

it.each([
  ['TensorFlow.js: model.fit in a Web Worker', 'inWebWorker', 'tfjsFit'],
  ['TensorFlow.js: tfStep on the main thread', 'onMainThread', 'tfjsSteps'],
  ['TensorFlow.js: tfStep in a Web Worker', 'inWebWorker', 'tfjsSteps'],
  ['jax-js on the main thread', 'onMainThread', 'jaxSteps'],
] as const)('%s trains ten steps, and the loss falls', async (_, thread, scenario) => {
  const { losses } = await run(page, thread, scenario);
  expect(losses).toHaveLength(10);
  expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] as number));
});

describe('tfLoss says why it cannot block', () => {
  it('on the main thread', async () => {
    const { message } = await run(page, 'onMainThread', 'tfLossRefused');
    expect(message).toMatch(/main thread must not block.*tfStep trains without blocking/);
  });

  it.each([
    [
      'without shared memory',
      'unshared',
      /no shared memory: serve it with the headers Cross-Origin-Opener-Policy.*tfStep/,
    ],
    ['without its worker', 'workerless', /web-worker.mjs\) did not start.*tfStep trains without blocking/],
  ] as const)('%s, where tfStep trains all the same', async (_, site, reason) => {
    const other = await visit(browser, sites[site].url);
    const { message } = await run(other, 'inWebWorker', 'tfLossRefused');
    expect(message).toMatch(reason);
    for (const thread of ['inWebWorker', 'onMainThread'] as const) {
      const { losses } = await run(other, thread, 'tfjsSteps');
      expect(losses.at(-1), thread).toBeLessThan(losses[0] as number);
    }
  });
});
