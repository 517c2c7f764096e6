/**
 * Fine-tunes Stable Diffusion with LoRA on the pictures of a folder, with captions in a `.txt` beside each or in `metadata.jsonl`:
 * `node examples/stable-diffusion/finetune.ts stable-diffusion-v1-5 photos run 500 512`, in Node 22.18 or newer (Node 20: `npx tsx …`).
 * The first is a pipeline of diffusers in a folder, or a name of the hub. Latents and states of captions are kept in the run's folder; started
 * again, it goes on where it was. This is `globalperc finetune` with a configuration that it writes beside the run, `run.json`.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { finetune } from './command.ts';

const [model = 'stable-diffusion-v1-5', photos = 'photos', out = 'run', steps = '500', side = '512'] =
  process.argv.slice(2);

const config = {
  model: existsSync(model) ? resolve(model) : model,
  train: { lora: { rank: 8, alpha: 8 } },
  terms: [
    [{ noise: { snrGamma: 5 } }, 1],
    [{ x0: { loss: 'l1', maxTimestep: 300 } }, 0.1],
  ],
  // Without a caption now and then, so that guidance has something to lead away from.
  data: { folder: resolve(photos), size: Number(side), captionDropout: 0.1 },
  optimizer: { adamW: { lr: 1e-4 } },
  clipGradNorm: 1,
  checkpointEvery: 100,
  steps: Number(steps),
  validation: {},
};
await finetune(config, out);
