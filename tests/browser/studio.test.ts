/** The page of `globalperc studio` in real Chromium, as it was built. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStudio } from '../../src/cli/studio.js';
import type { StudioServer } from '../../src/cli/studio-server.js';
import { readImage } from '../../src/data/index.js';
import { LPIPS } from '../../src/index.js';
import { openBrowser } from './site.js';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-studio-page-'));
const [pred, target] = [join(folder, 'pred.png'), join(folder, 'target.png')];
const log = join(folder, 'run', 'log.jsonl');
const entry = (step: number): string =>
  `${JSON.stringify({ step, loss: 2 / step, gradNorm: 1, lr: 0.1, hooks: [3 / step, 1], paths: ['conv.1', 'fc'], seconds: 0.1 })}\n`;

let browser: Browser;
let server: StudioServer;

/** Colours that change from place to place, as a PNG. */
const picture = (file: string, phase: number): Promise<unknown> => {
  const [width, height] = [72, 56];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => 127 + 120 * Math.sin(i * phase));
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
};

beforeAll(async () => {
  mkdirSync(join(folder, 'run'));
  writeFileSync(log, entry(1) + entry(2));
  writeFileSync(join(folder, 'no-model.onnx'), 'this is no model');
  writeFileSync(join(folder, 'no-log.jsonl'), '{"a":1}\n');
  await Promise.all([picture(pred, 0.011), picture(target, 0.013)]);
  server = await startStudio([join(folder, 'run')], 0, path('dist/studio/'));
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A page with a tab of its own, which fails where a script of it does. */
async function open(tab: string, context?: BrowserContext): Promise<Page> {
  const page = await (context ?? browser).newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(`${server.url}#${tab}`);
  return page;
}

const shownValue = async (page: Page): Promise<number> =>
  Number(await page.getByLabel('Value of the loss').textContent());

/** Waits until the loss has another value. */
async function nextValue(page: Page, former?: number): Promise<number> {
  const isNew = (before: string): boolean => {
    const text = document.querySelector('output[aria-label="Value of the loss"]')?.textContent ?? '–';
    return text !== '–' && text !== before && document.querySelector('.busy:not(.idle)') === null;
  };
  await page.waitForFunction(isNew, former === undefined ? '' : former.toPrecision(5), { timeout: 60_000 });
  return shownValue(page);
}

describe('Look', () => {
  let page: Page;
  const json = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await page.getByRole('region', { name: 'JSON' }).textContent()) ?? '');

  beforeAll(async () => {
    page = await open('look');
    await page.getByRole('img', { name: 'target' }).waitFor();
    await page.getByLabel('Choose the prediction').setInputFiles(pred);
    await page.getByLabel('Choose the target').setInputFiles(target);
    await page.getByRole('button', { name: /Use LPIPS/ }).click();
    await nextValue(page);
  });

  it('gives what LPIPS gives in Node; a module that is unchecked is missing in value and JSON', async () => {
    await using lpips = new LPIPS();
    const images = [await readImage(pred), await readImage(target)] as const;
    const { value, hooks } = await lpips.valueAndHooks(...images);
    const before = await shownValue(page);
    expect(Math.abs(before - value)).toBeLessThan(1e-4);
    expect((await json()).modulesToHook).toEqual(['ReLU']);
    await page.getByRole('checkbox', { name: 'features.4 (ReLU)' }).uncheck();
    const without = await nextValue(page, before);
    expect(Math.abs(without - (value - (hooks[1]?.loss as number)))).toBeLessThan(1e-4);
    expect((await json()).modulesToHook).toEqual(['/^(features\\.1|features\\.7|features\\.9|features\\.11)$/']);
    expect(await page.getByRole('checkbox', { name: 'features (Sequential)' }).evaluate(isMixed)).toBe(true);
    await page.getByRole('checkbox', { name: 'features.4 (ReLU)' }).check();
    expect(await nextValue(page, without)).toBeCloseTo(before, 4);
  });

  it('weighs as the sliders say, at once', async () => {
    const before = await shownValue(page);
    for (const label of ['Start', 'End']) await page.getByLabel(label).fill('2');
    expect(await shownValue(page)).toBeCloseTo(2 * before, 4);
    expect(await json()).toMatchObject({ startWeight: 2, endWeight: 2 });
  });

  it('shows the map of a hook, and the gradient', async () => {
    await page.getByRole('button', { name: /features\.7/ }).click();
    await page.getByRole('img', { name: 'heat map: where features.7 differs' }).waitFor();
    await page.getByRole('img', { name: 'gradient' }).waitFor();
  });

  it('takes an ONNX file', async () => {
    await page.getByLabel('Choose an ONNX file').setInputFiles(path('fixtures/data/models/vgg.torchscript.onnx'));
    await page
      .getByRole('checkbox', { name: /\(Conv2d\)/ })
      .first()
      .waitFor();
    await expect
      .poll(() => page.getByRole('region', { name: 'TypeScript' }).textContent())
      .toContain("loadModel('vgg.torchscript.onnx')");
    await page.getByRole('button', { name: /^Conv2d/ }).click();
    await expect.poll(async () => (await json()).modulesToHook).toContain('Conv2d');
    await expect.poll(() => shownValue(page), { timeout: 60_000 }).toBeGreaterThan(0);
  });

  it.each([
    ['a file that is no model', 'Choose an ONNX file', 'no-model.onnx', /ONNX/],
    [
      'a file that is no picture',
      'Choose the target',
      'no-model.onnx',
      /no-model.onnx is no picture that this browser can read/,
    ],
  ])('says where one looks that %s is none', async (_, label, file, message) => {
    await page.getByLabel(label).setInputFiles(join(folder, file));
    const card = page.locator('.card', { has: page.getByLabel(label) });
    await expect.poll(() => card.getByRole('alert').textContent()).toMatch(message);
  });
});

const isMixed = (box: Element): boolean => (box as HTMLInputElement).indeterminate;

it('Descend lowers the loss, and rests when it is told to', async () => {
  const page = await open('descend');
  await page.getByLabel('Longest side').selectOption('96');
  await page.getByRole('button', { name: /Use LPIPS/ }).click();
  await page.getByRole('button', { name: 'Step', exact: true }).click({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Go on' }).click();
  const chart = page.getByRole('img', { name: /^Share of the first loss/ });
  const shares = async (): Promise<number[]> =>
    [...((await chart.getAttribute('aria-label')) ?? '').matchAll(/ ([\d.e-]+)(?:,|$)/g)].map(([, share]) =>
      Number(share),
    );
  await expect.poll(shares, { timeout: 60_000 }).toEqual([expect.closeTo(0.4, 0.45), expect.closeTo(0.2, 0.35)]);
  await expect.poll(async () => Math.max(...(await shares())), { timeout: 60_000 }).toBeLessThan(0.9);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  await page.close();
});

it('Train goes on where a page ended', async () => {
  const context = await browser.newContext();
  const page = await open('train', context);
  await page.getByLabel('Loss').selectOption('l1');
  await page.getByLabel('Steps').selectOption('50');
  await page.getByRole('button', { name: 'Train' }).last().click();
  const step = async (): Promise<number> =>
    Number(/step (\d+) of 50/.exec((await page.locator('.progress').textContent({ timeout: 60_000 })) ?? '')?.[1] ?? 0);
  await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(1);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  const reached = await step();
  await expect.poll(() => page.getByText(/Step \d+ is kept/).textContent()).toContain(`Step ${reached} is kept`);
  await page.close();
  const after = await open('train', context);
  await after.getByText(`L1 alone, step ${reached} of 50.`).waitFor();
  await after.getByRole('button', { name: 'Go on with it' }).click();
  await expect.poll(() => after.locator('.progress').textContent(), { timeout: 60_000 }).toMatch(/step \d+ of 50/);
  const now = async (): Promise<number> =>
    Number(/step (\d+) of 50/.exec((await after.locator('.progress').textContent()) ?? '')?.[1] ?? 0);
  await expect.poll(now, { timeout: 60_000 }).toBeGreaterThan(reached);
  const [file] = await Promise.all([
    after.waitForEvent('download'),
    after.getByRole('button', { name: 'student.onnx' }).click(),
  ]);
  expect(file.suggestedFilename()).toBe('student.onnx');
  await context.close();
});

it('Train computes on the GPU, and without it when it is lost', async () => {
  const withGpu = await openBrowser({ webgpu: true });
  const page = await open('train', await withGpu.newContext());
  await page.getByLabel('Loss').selectOption('l1');
  await page.getByLabel('Steps').selectOption('50');
  await page.getByRole('button', { name: 'Train' }).last().click();
  const progress = page.locator('.progress');
  const step = async (): Promise<number> =>
    Number(/step (\d+) of 50/.exec((await progress.textContent().catch(() => '')) ?? '')?.[1] ?? 0);
  await expect.poll(step, { timeout: 120_000 }).toBeGreaterThan(0);
  await page.getByText('WebGPU', { exact: true }).waitFor();
  await page.getByText(/Step \d+ is kept/).waitFor({ timeout: 60_000 });
  await (await withGpu.newBrowserCDPSession()).send('Browser.crashGpuProcess');
  await page.getByRole('alert').filter({ hasText: 'The GPU was lost' }).waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('WebAssembly', { exact: true }).waitFor();
  const before = await step();
  await expect.poll(step, { timeout: 120_000 }).toBeGreaterThan(before);
  await withGpu.close();
});

describe('Runs', () => {
  it('draws a log, follows it, and names its hooks', async () => {
    const page = await open('runs');
    await page.getByText('step 2 ·').waitFor();
    await page.getByRole('img', { name: 'Loss: run 1' }).waitFor();
    await page.getByRole('button', { name: 'conv.1' }).waitFor();
    appendFileSync(log, entry(3) + entry(4).slice(0, 9));
    await page.getByText('step 3 ·').waitFor({ timeout: 5000 });
    await page.close();
  });

  it('shows a log that is dropped beside it, and says what is none', async () => {
    const page = await open('runs');
    await page.getByText('step 3 ·').waitFor();
    await page.getByLabel('Choose log.jsonl files').setInputFiles(join(folder, 'no-log.jsonl'));
    await page.getByRole('alert').filter({ hasText: 'no log of a training' }).waitFor();
    const whole = join(folder, 'other.jsonl');
    writeFileSync(whole, entry(1) + entry(2));
    await page.getByLabel('Choose log.jsonl files').setInputFiles(whole);
    await page.getByRole('img', { name: /^Loss: run .*, other 1$/ }).waitFor();
    await page.close();
  });
});

describe('the page', () => {
  it('loads at most 1 MB of ours at first', async () => {
    const page = await browser.newPage();
    const sizes: Promise<number>[] = [];
    page.on('response', (response) => {
      if (!response.url().endsWith('.wasm')) sizes.push(response.body().then((body) => body.length));
    });
    await page.goto(server.url);
    await page.getByRole('img', { name: 'target' }).waitFor();
    const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(100_000);
    expect(total).toBeLessThan(1_000_000);
    await page.close();
  });

  it('is used by keyboard: tabs by arrows, check boxes and buttons by Tab', async () => {
    const page = await open('look');
    await page.getByRole('tab', { name: 'Look' }).focus();
    await page.keyboard.press('ArrowRight');
    const descend = page.getByRole('tab', { name: 'Descend' });
    expect(await selected(descend)).toBe('true');
    expect(await descend.evaluate((tab) => tab === tab.ownerDocument.activeElement)).toBe(true);
    await page.keyboard.press('End');
    expect(await selected(page.getByRole('tab', { name: 'Runs' }))).toBe('true');
    expect(new URL(page.url()).hash).toBe('#runs');
    await page.keyboard.press('ArrowRight');
    expect(await selected(page.getByRole('tab', { name: 'Look' }))).toBe('true');
    const dark = () => page.evaluate('document.documentElement.dataset.theme');
    const before = await dark();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await dark()).not.toBe(before);
    await page.close();
  });

  it.each(['look', 'descend', 'train', 'runs'])('%s fits a telephone', async (tab) => {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
    const page = await open(tab, context);
    await page.getByRole('tabpanel').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    await context.close();
  });

  it('says without shared memory that it has one thread, and works', async () => {
    const page = await browser.newPage();
    await page.route('**/*', async (route) => {
      const response = await route.fetch();
      const { 'cross-origin-embedder-policy': _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    await page.goto(`${server.url}#look`);
    await page.getByText('One thread only').waitFor();
    await page.getByRole('button', { name: /Use LPIPS/ }).click();
    await expect.poll(() => shownValue(page), { timeout: 60_000 }).toBeGreaterThan(0);
    await page.close();
  });
});

const selected = (tab: Locator): Promise<string | null> => tab.getAttribute('aria-selected');
