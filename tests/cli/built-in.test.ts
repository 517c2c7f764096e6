/** Losses of the package by name, where a command takes a model. */
import { createHash } from 'node:crypto';
import { copyFileSync, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatNpy } from '../../src/data/index.js';
import { runHere } from '../support/command.js';
import { type LpipsCase as Case, lpipsFixture as fixture, SQUEEZENET } from '../support/lpips.js';
import { hostOf } from '../support/safetensors.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-built-in-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => runHere(args, folder);
const caseOf = (wanted: string): Case => fixture.cases.find(({ name }) => name === wanted) as Case;
const [one] = [caseOf('alex: one')];
for (const name of ['pred', 'target'] as const) {
  writeFileSync(join(folder, `${name}.npy`), formatNpy(hostOf(fixture.tensor(one[name]))));
}
const images = ['pred.npy', 'target.npy'];

it('loss lpips prints the loss of each layer', async () => {
  const { status, stdout, stderr } = await run('loss', 'lpips', ...images, '--json');
  expect([status, stderr]).toEqual([0, '']);
  const { loss, hooks } = JSON.parse(stdout);
  expect(hooks.map(({ path }: { path: string }) => path)).toEqual([1, 4, 7, 9, 11].map((i) => `features.${i}`));
  for (const [i, value] of [...hooks.map((hook: { loss: number }) => hook.loss), loss].entries()) {
    expect(Math.abs(value - (one.losses[i] as number))).toBeLessThan(1e-5 * value);
  }
});

it('loss lpips:squeeze takes its weights from a file, whose hash it tells', async () => {
  const { status, stdout, stderr } = await run('loss', 'lpips:squeeze', ...images, '--json', '--weights', SQUEEZENET);
  const hash = createHash('sha256').update(readFileSync(SQUEEZENET)).digest('hex');
  expect([status, stderr]).toEqual([0, `${SQUEEZENET}: SHA-256 ${hash}\n`]);
  const expected = caseOf('squeeze: one').losses.at(-1) as number;
  expect(Math.abs(JSON.parse(stdout).loss - expected)).toBeLessThan(1e-5 * expected);
});

describe('refuses, in one line', () => {
  copyFileSync(SQUEEZENET, join(folder, 'squeeze.pth'));
  linkSync(join(folder, 'squeeze.pth'), join(folder, 'linked.onnx'));

  it.each([
    [
      'options of models',
      ['lpips', ...images, '--hook', 'ReLU'],
      'lpips has its own model, hooks and distance and takes no --hook',
    ],
    [
      'weights for a model',
      ['model.onnx', ...images, '--weights', 'x.pth'],
      '--weights is for lpips:vgg, lpips:squeeze and dists; model.onnx is a model with weights',
    ],
    [
      'weights for AlexNet',
      ['lpips', ...images, '--weights', 'x.pth'],
      "LPIPS: net 'alex' has its weights in the package and takes no others, got x.pth",
    ],
  ])('%s', async (_, args, message) => {
    const { status, stderr } = await run('loss', ...args);
    expect([status, stderr]).toEqual([2, `globalperc: ${message}\n`]);
  });

  it.each(['lpips:vgg', 'dists'])('%s without weights', async (name) => {
    const { status, stderr } = await run('loss', name, ...images);
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^globalperc: .*needs the weights of torchvision's vgg16: .*--weights.*vgg16-397923af\.pth\n$/,
    );
  });

  it('to write over its weights', async () => {
    const loss = ['lpips:squeeze', '--weights', 'squeeze.pth'];
    const { status, stderr } = await run('compile', ...loss, '--input', '1,3,48,52', '--out', 'linked.onnx');
    expect([status, stderr.split('\n').at(-2)]).toEqual([
      2,
      "globalperc: 'linked.onnx', the same file as 'squeeze.pth', was read and would be overwritten: name another file",
    ]);
    expect(readFileSync(join(folder, 'linked.onnx')).equals(readFileSync(SQUEEZENET))).toBe(true);
  });
});
