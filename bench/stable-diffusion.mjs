/**
 * A step of LoRA (rank 8 on the 128 attention projections) of Stable Diffusion 1.5's U-Net at full size, 859.5 M random weights, batch 1: memory, time, time
 * to the first step and from the compile cache, against PyTorch with peft, in turn.
 *
 *   npm run build && node bench/stable-diffusion.mjs --python venv/bin/python [--side 32 64] [--dino] [--rounds 3] [--checkpointing]
 *
 * The virtual environment needs torch, diffusers and peft. Weights are written once, 3.4 GB in bench/rivals/work/sd15. `--side` is that of the latents;
 * `--dino` adds the loss of x̂₀ in DINOv2's features of latents (48 hooks) to both sides. CPU seconds stand beside the time, which others may share.
 */
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  models,
  nn,
  optim,
  Trainer,
  toOnnx,
  transforms,
} from 'globalperc';
import { Denoiser, NoiseLoss, OnX0, PipelineFolder } from 'globalperc/diffusion';
import { peakMegabytes } from './measured.mjs';
import { median } from './median.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    side: { type: 'string', multiple: true, default: ['32', '64'] },
    dino: { type: 'boolean', default: false },
    checkpointing: { type: 'boolean', default: false },
    memory: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    ours: { type: 'string' },
  },
});

const at = (/** @type {string} */ path) => fileURLToPath(new URL(`rivals/${path}`, import.meta.url));
const FOLDER = at('work/sd15');
const CACHE = at('work/sd15-cache');
/** Latents around the picture, of zeros. */
const PADDING = 10;

/** @typedef {{ ms: number, cpu: number, gb: number, loss: number }} Step */

/** Numbers that are none in particular. @param {readonly number[]} dims */
const waves = (dims) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
});

/** DINOv2 ViT-S/14 that reads latents, padded to whole patches of 14² pixels. @param {number} side */
async function latentDino(side) {
  const model = models.dinov2Vits14Reg({ patchEmbed: new models.DinoLatentHeader(), patchSize: 2 });
  const teacher = await loadModel(await toOnnx(model, { input: [1, 4, side + 2 * PADDING, side + 2 * PADDING] }));
  const hooks = { modulesToHook: [nn.Linear], transformNormalization: new transforms.Pad(PADDING), printData: false };
  return new OnX0(new GlobalPercLoss(teacher, new GlobalPercConfig(hooks)), { maxTimestep: 1000 });
}

/** Our side: a step for every line on stdin. @param {number} side */
async function ours(side) {
  const begun = performance.now();
  // The teacher's weights are constants of the program, and must be those that the cache knows.
  nn.manualSeed(0);
  const pipeline = await PipelineFolder.open(FOLDER);
  const unet = await pipeline.unet();
  nn.lora(unet, { rank: 8, alpha: 8, targetModules: /attn[12]\.to_(q|k|v|out\.0)$/ });
  const noise = new NoiseLoss({ snrGamma: 5 });
  const loss = values.dino
    ? new nn.WeightedLoss([
        [noise, 1],
        [await latentDino(side), 0.1],
      ])
    : noise;
  const inputs = { latents: [1, 4, side, side], text: [1, 77, 768] };
  const options = { inputs, clipGradNorm: 1, ...(values.memory && { memory: /** @type {any} */ (values.memory) }) };
  const trainer = await Trainer.create(
    new Denoiser(unet, pipeline.noise()),
    loss,
    new optim.AdamW({ lr: 1e-4 }),
    options,
  );
  const batch = { latents: waves(inputs.latents), text: waves(inputs.text) };
  const step = async () => {
    const [start, before] = [performance.now(), process.cpuUsage()];
    const { loss } = await trainer.step(batch);
    const { user, system } = process.cpuUsage(before);
    return { ms: performance.now() - start, cpu: (user + system) / 1e6, gb: peakMegabytes() / 1024, loss };
  };
  const opened = process.cpuUsage();
  const first = await step();
  console.log(
    JSON.stringify({ ...first, ms: performance.now() - begun, cpu: (opened.user + opened.system) / 1e6 + first.cpu }),
  );
  for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify(await step()));
  await trainer.dispose();
}

/** @param {string} command @param {readonly string[]} args @param {string} cache */
async function sideOf(command, args, cache) {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, GLOBALPERC_CACHE: cache },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** @returns {Promise<Step>} */
  const next = async () => JSON.parse((await lines.next()).value ?? 'null');
  const step = () => {
    child.stdin.write('\n');
    return next();
  };
  return { first: await next(), step, stop: () => child.stdin.end() };
}

/** @param {string} name @param {Step} step */
const say = (name, { ms, cpu, gb }) =>
  console.log(`  ${name}: ${(ms / 1000).toFixed(1)} s, ${cpu.toFixed(1)} s of CPU, peak ${gb.toFixed(2)} GB`);

/** @param {number} side */
async function compared(side) {
  console.log(`${8 * side}²${values.dino ? ' with the loss of DINOv2 on x̂₀' : ''}`);
  const own = [
    fileURLToPath(import.meta.url),
    '--ours',
    `${side}`,
    ...(values.dino ? ['--dino'] : []),
    ...(values.memory ? ['--memory', values.memory] : []),
  ];
  rmSync(CACHE, { recursive: true, force: true });
  const fresh = await sideOf('node', own, CACHE);
  say('ours, first step', fresh.first);
  fresh.stop();
  const sides = new Map([['ours', await sideOf('node', own, CACHE)]]);
  say('ours, first step from the cache', /** @type {any} */ (sides.get('ours')).first);
  const theirs = [
    at('stable_diffusion.py'),
    FOLDER,
    `${side}`,
    ...(values.checkpointing ? ['checkpointing'] : []),
    ...(values.dino ? ['dino'] : []),
  ];
  if (values.python) sides.set('PyTorch with peft', await sideOf(values.python, theirs, 'off'));
  /** @type {Map<string, Step[]>} */
  const taken = new Map(Array.from(sides.keys(), (name) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [name, { step }] of sides) taken.get(name)?.push(await step());
  for (const [name, steps] of taken)
    say(`${name}, a step`, {
      ms: median(steps.map(({ ms }) => ms)),
      cpu: median(steps.map(({ cpu }) => cpu)),
      gb: Math.max(...steps.map(({ gb }) => gb)),
      loss: 0,
    });
  for (const { stop } of sides.values()) stop();
}

if (values.ours) await ours(Number(values.ours));
else {
  if (!existsSync(`${FOLDER}/unet`))
    throw new Error(`write the weights first: python ${at('stable_diffusion.py')} ${FOLDER} write`);
  for (const side of values.side) await compared(Number(side));
}
