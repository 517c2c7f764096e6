/** Sampling with modules on data. See `fixtures/make_denoising.py`. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import {
  type AutoencoderKL,
  Computation,
  DDIM,
  EulerDiscrete,
  encoded,
  LatentSampler,
  loadLora,
  PipelineFolder,
} from '../../src/diffusion/index.js';
import { numbersOf } from '../../src/graph/index.js';
import { expectClose } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Sampled {
  readonly scale: number;
  readonly seed: number;
  readonly steps: number;
  readonly plain: string;
  readonly adapted: string;
}

const fixture = readFixture('diffusion/training.safetensors');
const models = readFixture<{ name: string; inputs: string[]; output: string }>('diffusion/models.safetensors');
const data = fileURLToPath(new URL('../../fixtures/data/diffusion', import.meta.url));
const SD = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };

const states = hostOf(fixture.tensor('text'));
const size = states.data.length / 2;
const half = (i: number) => ({ dims: states.dims.with(0, 1), data: states.data.slice(i * size, (i + 1) * size) });

it('latents with guidance are those of diffusers, with adapters and without', async () => {
  const { scale, seed, steps, ...expected } = fixture.about<Sampled>('sampled');
  const unet = await (await PipelineFolder.open(`${data}/pipeline`)).unet();
  await using sampling = new LatentSampler(unet);
  const sample = (adapters: boolean) =>
    sampling.sample({
      sampler: EulerDiscrete.fromConfig({ ...SD, use_karras_sigmas: true }),
      shape: [1, 4, 8, 8],
      ...{ text: half(0), negative: half(1), guidanceScale: scale, steps, seed, adapters },
    });
  await loadLora(unet, `${data}/lora/kohya.safetensors`);
  for (const [kind, key] of Object.entries(expected))
    expectClose((await sample(kind === 'adapted')).data, fixture.tensor(key), 1e-5, kind);
});

it('weights that train are read at every call; steps are told', async () => {
  const unet = await (await PipelineFolder.open(`${data}/pipeline`)).unet();
  await using sampling = new LatentSampler(unet);
  const adapters = await loadLora(unet, `${data}/lora/kohya.safetensors`);
  const done: string[] = [];
  const sample = () =>
    sampling.sample({
      sampler: new DDIM({ clipSample: false }),
      shape: [1, 4, 8, 8],
      text: half(0),
      steps: 2,
      onStep: (step, steps) => done.push(`${step}/${steps}`),
    });
  const first = await sample();
  expect(done).toEqual(['1/2', '2/2']);
  for (const { b } of adapters.layers.values()) b.data = b.data.map((value) => value / 2);
  expect((await sample()).data).not.toEqual(first.data);
});

it.each(['vae decodes', 'text'])('%s: a computation gives what Python does', async (name) => {
  const test = models.cases.find((other) => other.name === name) as { inputs: string[]; output: string };
  const pipeline = await PipelineFolder.open(`${data}/pipeline`);
  const vae = (await pipeline.vae()) as AutoencoderKL;
  const text = await pipeline.textEncoder();
  await using computation = new Computation((x) => (name === 'text' ? text(x) : vae.decode(x)));
  const input = models.tensor(test.inputs[0] as string);
  const given =
    name === 'text' ? { dims: input.shape, data: BigInt64Array.from(numbersOf(input), BigInt) } : hostOf(input);
  expectClose((await computation.run(given)).data, models.tensor(test.output), 1e-5, name);
});

it('pictures are encoded as diffusers does: the mean, scaled', async () => {
  const test = models.cases.find((other) => other.name === 'vae encodes') as { inputs: string[]; output: string };
  const vae = (await (await PipelineFolder.open(`${data}/pipeline`)).vae()) as AutoencoderKL;
  await using encoding = new Computation(encoded(vae));
  const images = hostOf(models.tensor(test.inputs[0] as string));
  const { dims, data: found } = await encoding.run({ ...images, data: images.data.map((value) => (value + 1) / 2) });
  expect(dims).toEqual([1, 4, 4, 6]);
  const means = numbersOf(models.tensor(test.output)).slice(0, found.length);
  expectClose(
    found,
    means.map((value) => value * 0.18215),
    1e-5,
    'latents',
  );
});
