/** Pictures of losses: `explain`, the gradient as a picture, masks as files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradientPicture } from '../../src/cli/gradient-picture.js';
import { formatNpy } from '../../src/data/index.js';
import { runHere } from '../support/command.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-explain-'));
const at = (name: string): string => join(folder, name);
const run = (...args: string[]) => runHere(args, folder);
const vgg = fileURLToPath(new URL('../../fixtures/data/models/vgg.torchscript.onnx', import.meta.url));

const SIDE = 32;
/** Noise; in `pred.png` the lower right quarter is black. */
beforeAll(async () => {
  const noise = Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) => (i * 7919) % 256);
  const inside = (i: number): boolean => Math.floor(i / 3) % SIDE >= 16 && Math.floor(i / 3 / SIDE) >= 16;
  const write = (name: string, bytes: Uint8Array, channels: 1 | 3) =>
    sharp(bytes, { raw: { width: SIDE, height: SIDE, channels } })
      .png()
      .toFile(at(name));
  await write('target.png', noise, 3);
  await write(
    'pred.png',
    noise.map((value, i) => (inside(i) ? 0 : value)),
    3,
  );
  await write(
    'mask.png',
    Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (i < 12 * SIDE ? 255 : 0)),
    1,
  );
  const batch = formatNpy({
    dims: [2, 3, SIDE, SIDE],
    data: Float32Array.from({ length: 6 * SIDE * SIDE }, (_, i) => Math.sin(i) ** 2),
  });
  writeFileSync(at('batch.npy'), batch);
  writeFileSync(at('other.npy'), formatNpy({ dims: [2, 3, SIDE, SIDE], data: new Float32Array(6 * SIDE * SIDE) }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('explain', () => {
  it('draws images, map and bars, and prints the hooks that matter most', async () => {
    const { status, stdout } = await run(
      'explain',
      vgg,
      'pred.png',
      'target.png',
      '--out',
      'e.png',
      '--hook',
      '/features\\.0$/',
      '--hook',
      'Linear',
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^\s*# +module +class +weight · loss +share\n(.*\n)+loss [\d.e-]+\n\d+ of \d+ hooks have no place in the image/,
    );
    const { width, height } = await sharp(at('e.png')).metadata();
    expect([width, (height as number) > 1000]).toEqual([2000, true]);
    // The heat map, third of the first row, is bright where the images differ and dark elsewhere.
    const brightness = async (left: number, top: number): Promise<number> => {
      // Statistics are of what a picture was before the extraction.
      const part = await sharp(at('e.png')).extract({ left, top, width: 100, height: 100 }).png().toBuffer();
      return (await sharp(part).stats()).channels[0]?.mean as number;
    };
    expect(await brightness(1750, 550)).toBeGreaterThan(1.5 * (await brightness(1400, 200)));
  });

  it('writes a page with every hook', async () => {
    const { status, stdout } = await run(
      'explain',
      vgg,
      'pred.png',
      'target.png',
      '--out',
      'e.html',
      '--json',
      '--hook',
      'Conv2d',
      '--hook',
      'Linear',
    );
    expect(status).toBe(0);
    const { loss, hooks } = JSON.parse(stdout);
    const sum = hooks.reduce((total: number, { contribution }: { contribution: number }) => total + contribution, 0);
    expect(sum).toBeCloseTo(loss, 4);
    const page = readFileSync(at('e.html'), 'utf8');
    expect(page.match(/<tr>/g)).toHaveLength(hooks.length + 1);
    expect(page.match(/<image /g)?.length).toBeGreaterThan(8);
    expect(page).toContain('<td>none</td>');
  });

  it.each([
    [
      'a batch',
      [vgg, 'batch.npy', 'other.npy', '--out', 'no.png'],
      /batch\.npy: one image .* can be shown, got \[2,3,32,32\]/,
    ],
    ['hooks without places', [vgg, 'pred.png', 'target.png', '--out', 'no.png', '--hook', 'Linear'], /there is no map/],
    [
      'its input as output',
      [vgg, 'pred.png', 'target.png', '--out', 'pred.png'],
      /pred\.png' was read and would be overwritten/,
    ],
    ['another format', [vgg, 'pred.png', 'target.png', '--out', 'e.svg'], /--out should end in \.png or \.html/],
  ])('refuses %s', async (_label, args, message) => {
    const { status, stderr } = await run('explain', ...args);
    expect([status, stderr.split('\n').length]).toEqual([2, 2]);
    expect(stderr).toMatch(message);
  });
});

describe('loss', () => {
  it('draws the gradient, and says what its colours are', async () => {
    const { stdout } = await run('loss', vgg, 'pred.png', 'target.png', '--grad', 'g.png');
    expect(stdout).toMatch(
      /g\.png: the gradient summed over channels, from -(\S+) \(blue\) over 0 \(white\) to \1 \(red\)/,
    );
    expect(await sharp(at('g.png')).metadata()).toMatchObject({ width: SIDE, height: SIDE });
  });

  it('looks where a mask is white', async () => {
    const lossWith = async (...args: string[]) =>
      JSON.parse(
        (await run('loss', vgg, 'pred.png', 'target.png', '--json', '--hook', '/features\\.0$/', ...args)).stdout,
      ).loss;
    expect(await lossWith('--mask', 'mask.png')).toBeLessThan(1e-6);
    const lower = Float32Array.from({ length: SIDE * SIDE }, (_, i) => (i < 16 * SIDE ? 0 : 0.5));
    writeFileSync(at('mask.npy'), formatNpy({ dims: [SIDE, SIDE], data: lower }));
    expect(await lossWith('--mask', 'mask.npy')).toBeGreaterThan(1.5 * (await lossWith()));
    const { status, stderr } = await run(
      'loss',
      vgg,
      'batch.npy',
      'other.npy',
      '--mask',
      'mask.png',
      '--grad',
      'mask.png',
    );
    expect([status, stderr]).toEqual([
      2,
      "globalperc: 'mask.png' was read and would be overwritten: name another file\n",
    ]);
  });

  it('tells the samples of a batch apart', async () => {
    const { stdout } = await run('loss', vgg, 'batch.npy', 'other.npy', '--json');
    const { loss, samples, hooks } = JSON.parse(stdout);
    expect((samples[0] + samples[1]) / 2).toBeCloseTo(loss, 5);
    expect(hooks[0].samples).toHaveLength(2);
    expect((await run('loss', vgg, 'batch.npy', 'other.npy')).stdout).toMatch(/\nof each sample [\d.]+, [\d.]+\n$/);
  });
});

it('compile takes further outputs and a mask', async () => {
  const compile = (...args: string[]) =>
    run('compile', vgg, '--input', '2,3,32,32', '--out', 'c.onnx', '--hook', 'Conv2d', ...args);
  expect((await compile('--outputs', 'samples,map', '--mask')).status).toBe(0);
  const { stdout } = await run('inspect', 'c.onnx', '--image', 'pred', '--json');
  expect(stdout).toContain('mask');
  const { status, stderr } = await compile('--outputs', 'maps');
  expect([status, stderr]).toEqual([2, "globalperc: --outputs should be samples, map or samples,map, got 'maps'\n"]);
});

it('a gradient is blue where it is negative, white at 0 and red where it is positive', async () => {
  const data = Float32Array.of(-2, 0, 1, -1, 0, 1);
  const { png, most } = await gradientPicture({ dims: [1, 2, 1, 3], data });
  expect(most).toBe(3);
  const pixels = await sharp(png).raw().toBuffer();
  expect([...pixels]).toEqual([33, 102, 172, 255, 255, 255, 204, 101, 114]);
});
