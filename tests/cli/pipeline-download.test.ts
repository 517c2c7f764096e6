/** Pipelines by the name of their repository: `globalperc sample` and `finetune` download them once, whole or not at all. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { content, filesBelow, REPO, repoOf, text, useHub } from '../hub/hub.js';
import { etagOf, type Fault } from '../hub/server.js';
import { type Ended, runHere } from '../support/command.js';
import { finetune, folder, pipeline, pipelineFiles } from '../support/finetune.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => undefined) }));

const place = useHub();

const FILES = pipelineFiles();
const UNET = 'unet/diffusion_pytorch_model.safetensors';
const WEIGHTS = FILES[UNET] as Uint8Array;
const STORED = `/storage/${etagOf(WEIGHTS)}`;
const GONE = { 'X-Error-Code': 'EntryNotFound' };
/** What repositories hold besides, and a pipeline does not read. */
const OTHERS = {
  'README.md': text('# A pipeline'),
  'model_index.json': text('{}'),
  'v1-5-pruned.ckpt': content(5000),
  'safety_checker/model.safetensors': content(3000),
  'unet/diffusion_pytorch_model.bin': content(4000),
  'unet/diffusion_pytorch_model.fp16.safetensors': content(2000),
  'vae/diffusion_pytorch_model.non_ema.safetensors': content(2000),
};
const without = (...paths: string[]) =>
  Object.fromEntries(Object.entries(FILES).filter(([path]) => !paths.includes(path)));

beforeEach(() => {
  place.hub.repos[REPO] = repoOf({ ...FILES, ...OTHERS });
});

const sampled = (name: string, source = REPO): Promise<Ended> => {
  const options = ['--prompt', 'a red fox', '--size', '8x8', '--steps', '1', '--guidance', '1'];
  return runHere(['sample', source, ...options, '--out', join(folder, name)]);
};
const commands: [string, (name: string) => Promise<Ended>][] = [
  ['sample', (name) => sampled(`${name}.png`)],
  ['finetune', (name) => finetune(name, { model: REPO })],
];
/** What a command of some name has written. */
const written = (name: string): boolean => existsSync(join(folder, name)) || existsSync(join(folder, `${name}.png`));
/** Files that are in the cache whole, by their paths. */
const cached = (): string[] => filesBelow(place.cache).flatMap((path) => /^snapshots\/\w+\/(.*)/.exec(path)?.[1] ?? []);

it('what a pipeline reads is downloaded once, and drawn with as from a folder', async () => {
  expect(await sampled('first.png')).toMatchObject({ status: 0 });
  expect(cached()).toEqual(Object.keys(FILES));
  place.hub.log.length = 0;
  expect(await sampled('second.png', `${REPO}@main`)).toMatchObject({ status: 0 });
  expect(place.hub.log.map(({ path }) => path)).toEqual([`/api/models/${REPO}/revision/main`]);
  expect(await sampled('local.png', pipeline)).toMatchObject({ status: 0 });
  const [local, ...others] = ['local', 'first', 'second'].map((name) => readFileSync(join(folder, `${name}.png`)));
  for (const other of others) expect(other).toEqual(local);
});

describe.each(commands)('%s', (_, run) => {
  const listed = `'${UNET}' of '${REPO}'`;
  it.each<[string, Fault, string | RegExp]>([
    ['is damaged', { on: STORED, kind: 'corrupt' }, `${listed} arrived damaged: its checksum is wrong; it was removed`],
    ['ends early', { on: STORED, kind: 'truncate', after: 0 }, `${listed} ended at byte 0 of ${WEIGHTS.length}; try`],
    [
      'is gone',
      { on: `/${UNET}`, kind: 'status', status: 404, headers: GONE },
      /'owner\/name' has no file http\S+unet\/\S+ any more/,
    ],
    ['is gone from the storage', { on: STORED, kind: 'status', status: 404 }, `'${REPO}' has no file http`],
  ])('a file that %s ends it in one line, and is in no folder', async (what, fault, message) => {
    place.hub.faults.push(fault);
    const name = `refused ${what}`;
    const { status, stderr } = await run(name);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^globalperc: [^\n]*\n$/)]);
    expect(stderr).toMatch(message);
    expect(cached()).not.toContain(UNET);
    expect(filesBelow(place.cache)).not.toContain(`blobs/${etagOf(WEIGHTS)}`);
    expect(written(name)).toBe(false);
  });

  it.each([
    ['no U-Net', without('unet/config.json'), `'${REPO}' is no pipeline of diffusers: there is no unet/config.json`],
    ['no weights of a part', without('vae/diffusion_pytorch_model.safetensors'), `'${REPO}/vae' has no weights`],
  ])('a repository with %s is refused before anything is downloaded', async (what, files, message) => {
    place.hub.repos[REPO] = repoOf(files);
    expect(await run(what)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
    expect(place.hub.requests('/resolve/')).toEqual([]);
    expect(written(what)).toBe(false);
  });
});

it('a download that broke off goes on where it was', async () => {
  place.hub.faults.push(
    { on: STORED, kind: 'cut', after: 1000, times: 1 },
    { on: STORED, kind: 'status', status: 403 },
  );
  expect(await sampled('broken.png')).toMatchObject({ status: 2 });
  expect(written('broken')).toBe(false);
  const before = cached();
  expect(before).toContain('tokenizer/vocab.json');
  place.hub.faults.length = 0;
  place.hub.log.length = 0;
  expect(await sampled('whole.png')).toMatchObject({ status: 0 });
  expect(place.hub.requests(STORED).map(({ range }) => range)).toEqual(['bytes=1000-']);
  for (const path of before) expect(place.hub.requests(`/${path}`)).toEqual([]);
});
