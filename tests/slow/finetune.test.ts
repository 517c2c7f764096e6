/** Whole runs of `globalperc finetune`: every term, pictures of prompts, prior preservation, resumption. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPO, repoOf, useHub } from '../hub/hub.js';
import { finetune, folder, logOf, pipeline, pipelineFiles, plain } from '../support/finetune.js';

describe('a run', () => {
  const whole = {
    terms: [
      [{ noise: { snrGamma: 5 } }, 1],
      [{ x0: { loss: 'l1', maxTimestep: 500 } }, 0.1],
      [{ decoded: { loss: 'l1' } }, 0.1],
      [{ decoderFeatures: { maxTimestep: 900 } }, 0.1],
    ],
    data: {
      ...plain.data,
      size: 18,
      augment: [{ randomCrop: 16 }, 'randomHorizontalFlip'],
      variants: 2,
      captionDropout: 0.3,
      prior: { folder: 'photos', caption: 'a bird', weight: 0.5 },
    },
    checkpointEvery: 2,
    steps: 4,
    validation: { prompts: ['a red fox'], steps: 1 },
  };

  it('leaves adapters, a log, checkpoints and pictures', async () => {
    expect((await finetune('whole', whole)).status).toBe(0);
    const files = ['checkpoint-00000004', 'pytorch_lora_weights.safetensors', 'log.jsonl'];
    expect(readdirSync(join(folder, 'whole'))).toEqual(
      expect.arrayContaining([...files, 'samples-00000002.png', 'samples-00000004.png']),
    );
    expect(logOf('whole').every(({ gradNorm }) => gradNorm > 0)).toBe(true);
  });

  it('goes on exactly where it was, with what is encoded already', async () => {
    await finetune('half', { ...whole, validation: undefined, steps: 2 });
    const { stderr } = await finetune('half', { ...whole, validation: undefined }, '--resume');
    expect(stderr).toContain('texts encoded, 0 of them anew');
    expect(logOf('half').map(({ loss }) => loss)).toEqual(logOf('whole').map(({ loss }) => loss));
  });

  it('on another base model is refused, which says what differs', async () => {
    const other = join(folder, 'other');
    cpSync(pipeline, other, { recursive: true });
    const path = join(other, 'unet', 'diffusion_pytorch_model.safetensors');
    const bytes = readFileSync(path);
    bytes.fill(1, bytes.length - 64);
    writeFileSync(path, bytes);
    await finetune('base', { steps: 1 });
    const { status, stderr } = await finetune('base', { model: other }, '--resume');
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/other frozen weights: 1 of \d+ differ, unet\..*; go on with the model/),
    ]);
  });

  it('trains the attention by itself', async () => {
    const { status } = await finetune('attention', { train: 'attention', steps: 1 });
    expect([status, existsSync(join(folder, 'attention', 'unet_attention.safetensors'))]).toEqual([0, true]);
  });
});

describe('a pipeline of the hub', () => {
  const place = useHub();

  it('trains as that of a folder, and goes on by its name', async () => {
    place.hub.repos[REPO] = repoOf(pipelineFiles());
    await finetune('local', { steps: 3 });
    expect(await finetune('named', { model: REPO, steps: 2 })).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`of '${REPO}'`),
    });
    expect((await finetune('named', { model: REPO, steps: 3 }, '--resume')).status).toBe(0);
    expect(place.hub.requests('unet/diffusion_pytorch_model')).toHaveLength(1);
    expect(logOf('named').map(({ loss }) => loss)).toEqual(logOf('local').map(({ loss }) => loss));
  });
});
