/**
 * Stable Diffusion's pipeline, small and from nothing, on photographs that come with npm packages: `node examples/stable-diffusion/small.ts
 * run` (Node 20: `npx jiti …`). An autoencoder, a teacher that reads its latents, a U-Net that draws what a caption says, and adapters for
 * a new subject, with and without the teacher. run/pipeline is a folder as diffusers has it, run/RESULT.md what came of it. Started again, it goes on where it was. A second argument is the part of all steps that is taken: 0.01 is a trial.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { finetune } from './command.ts';
import { autoencoder } from './small/autoencoder.ts';
import { cats, NEW_CAPTION, SIDE, SUBJECTS, writeCaptioned } from './small/photographs.ts';
import { judge, report, SEEDS, VARIANTS } from './small/report.ts';
import { HOOKS, latentTeacher } from './small/teacher.ts';
import { writeText } from './small/text.ts';
import { writeJson } from './small/training.ts';
import { unet, writeConfigs } from './small/unet.ts';

const [out = 'run', part = '1'] = process.argv.slice(2);
const places = { pipeline: join(out, 'pipeline'), teacher: join(out, 'latent-teacher.onnx'), work: join(out, 'work') };
const steps = (number: number): number => Math.max(2, Math.round(number * Number(part)));

interface Stage {
  readonly name: string;
  /** Is there once it is done. */
  readonly file: string;
  readonly run: () => Promise<void>;
}

const photos = join(out, 'cats');
/** Attention, and the convolutions of the resnets: so small a U-Net has little attention. */
const targetModules = 'attn[12]\\.to_(q|k|v|out\\.0)$|resnets\\.\\d\\.conv[12]$';
const TUNING = steps(450);

/** Adapters of a seed, with the perceptual term or without. */
function tuning(name: string, seed: number, isPerceptual: boolean): Stage {
  const folder = join(out, 'lora', `${name}-${seed}`);
  const perceptual = { teacher: resolve(places.teacher), modulesToHook: [`/${HOOKS}/`] };
  const config = {
    model: resolve(places.pipeline),
    train: { lora: { rank: 8, alpha: 8, targetModules } },
    terms: [
      [{ noise: { snrGamma: 5 } }, 1],
      // Above the middle timestep, the clean latents are a guess.
      ...(isPerceptual ? [[{ x0: { loss: { perceptual }, maxTimestep: 500 } }, 0.1]] : []),
    ],
    data: { folder: resolve(photos), size: SIDE, captionDropout: 0.1 },
    optimizer: { adamW: { lr: 2e-3 } },
    clipGradNorm: 1,
    steps: TUNING,
    validation: {},
  };
  const last = `samples-${String(TUNING).padStart(8, '0')}.png`;
  return { name: `adapters ${name} ${seed}`, file: join(folder, last), run: () => finetune(config, folder, seed) };
}

const stages: readonly Stage[] = [
  {
    name: 'text',
    file: join(places.pipeline, 'text_encoder', 'config.json'),
    run: async () => {
      await writeConfigs(places.pipeline);
      await writeText(places.pipeline, [...SUBJECTS.map(({ caption }) => caption), NEW_CAPTION]);
    },
  },
  {
    name: 'autoencoder',
    file: join(places.pipeline, 'vae', 'config.json'),
    run: () => autoencoder(places, steps(2700)),
  },
  { name: 'teacher', file: places.teacher, run: () => latentTeacher(places, steps(450)) },
  {
    name: 'unet',
    file: join(places.pipeline, 'unet', 'diffusion_pytorch_model.safetensors'),
    run: () => unet(places, steps(2100)),
  },
  {
    name: 'cats',
    file: join(photos, '17.txt'),
    run: async () => writeCaptioned(photos, (await cats()).learned, NEW_CAPTION),
  },
  ...SEEDS.flatMap((seed) => VARIANTS.map(({ name, isPerceptual }) => tuning(name, seed, isPerceptual))),
  { name: 'judges', file: join(places.work, 'figures.json'), run: () => judge(out, places) },
  { name: 'report', file: join(out, 'RESULT.md'), run: () => report(out, places, part) },
];

const timesFile = join(places.work, 'seconds.json');
for (const { name, file, run } of stages) {
  if (existsSync(file)) continue;
  console.log(`${name} …`);
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  const times = existsSync(timesFile) ? JSON.parse(await readFile(timesFile, 'utf8')) : {};
  await writeJson(timesFile, { ...times, [name]: Math.round((user + system) / 1e6) });
}
console.log(`${join(out, 'RESULT.md')} is written`);
