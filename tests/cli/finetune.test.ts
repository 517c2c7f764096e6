/** `globalperc finetune` on the small pipeline of the fixtures. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { captionsOf } from '../../src/cli/captions.js';
import { finetune, folder } from '../support/finetune.js';

afterEach(() => vi.restoreAllMocks());

it('says what it reads, trains and takes; leaves adapters, a log and a checkpoint', async () => {
  const { status, stderr, stdout } = await finetune('plain', { steps: 1 });
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(
      /reads .*3 pictures of .*latents 8 × 8\n.*trains .*lora\n.*takes .* of memory, .* are free; at least .* a step/,
    ),
  ]);
  expect(stdout).toMatch(/plain: 1 steps, loss /);
  const files = ['checkpoint-00000001', 'curves.png', 'encoded.safetensors', 'log.jsonl'];
  expect(readdirSync(join(folder, 'plain'))).toEqual(
    expect.arrayContaining([...files, 'pytorch_lora_weights.safetensors']),
  );
});

describe('refuses, and writes nothing:', () => {
  it.each([
    ['an unknown key', { lr: 1 }, "'lr' is not known"],
    ['an unknown term', { terms: [['snr', 1]] }, "'snr' is not known"],
    [
      'a folder without unet/',
      { model: 'photos' },
      'there is no unet/config.json; name the folder that holds unet/ and vae/',
    ],
    [
      'sides that the autoencoder does not take',
      { data: { folder: 'photos', size: 15 } },
      'the autoencoder takes multiples of 2',
    ],
    ['layers that are not there', { train: { lora: { targetModules: 'attn9' } } }, 'attn9'],
  ])('%s', async (_, changed, message) => {
    const { status, stderr } = await finetune('refused', changed);
    expect([status, stderr.trim().split('\n').at(-1)]).toEqual([2, expect.stringContaining(message)]);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  it('what takes more memory than is free', async () => {
    vi.spyOn(process, 'availableMemory').mockReturnValue(1e5);
    const { status, stderr } = await finetune('refused');
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/a step takes .* MB of memory, and 0\.1 MB are free: set "memory"/),
    ]);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });
});

it('captions are those of metadata.jsonl, of the .txt beside, or the fallback; a line that is none is refused', async () => {
  const photos = join(folder, 'photos');
  const files = ['fox', 'hen', 'owl'].map((name) => join(photos, `${name}.png`));
  expect(await captionsOf(photos, files, 'a bird')).toEqual(['a red fox', 'a hen', 'a bird']);
  await expect(captionsOf(photos, files.slice(0, 1))).rejects.toThrow(
    "metadata.jsonl', line 1: 'hen.png' is no picture",
  );
  const other = join(folder, 'captions');
  await mkdir(other);
  await writeFile(join(other, 'metadata.jsonl'), '\n{"file_name": 3}');
  await expect(captionsOf(other, [])).rejects.toThrow('line 2: expected {"file_name"');
});
