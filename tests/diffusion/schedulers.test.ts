/** Schedulers against diffusers'. See `fixtures/make_diffusion.py`. */
import { describe, expect, it } from 'vitest';
import { DDIM, DDPM, EulerDiscrete, guided, type Latents, samplerFromConfig } from '../../src/diffusion/index.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { expectClose } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Case {
  readonly config: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly timesteps: readonly number[];
  readonly initNoiseSigma: number;
  readonly samples: string;
}

interface Schedule {
  readonly config: Readonly<Record<string, unknown>>;
  readonly at: readonly number[];
  readonly gamma: number;
  readonly alphasCumprod: string;
  readonly original: string;
  readonly noise: string;
  readonly noisy: string;
  readonly velocity: string;
  readonly weights: string;
}

const fixture = readFixture<Case>('diffusion/schedulers.safetensors');
const host = (key: string): Latents => hostOf(fixture.tensor(key));

/** The fixtures' model. */
const model = ({ dims, data }: Latents, timestep: number): Latents => ({
  dims,
  data: data.map((x) => Math.tanh(0.9 * x + 0.3 * Math.cos(timestep) + 0.1)),
});

const cases = fixture.cases.map((test, i) => {
  const { _class_name: name, beta_schedule, prediction_type, timestep_spacing } = test.config;
  return { label: `${i}: ${name}, ${beta_schedule}, ${prediction_type}, ${timestep_spacing}`, test };
});

it.each(cases)('$label', ({ test }) => {
  const sampler = samplerFromConfig(test.config);
  // A second round is as the first: no state is left.
  for (const _ of [1, 2]) {
    sampler.setTimesteps(test.steps);
    expect(sampler.timesteps).toHaveLength(test.steps);
    expectClose(sampler.timesteps, test.timesteps, 1e-5, 'timesteps');
    expectClose([sampler.initNoiseSigma], [test.initNoiseSigma], 1e-6, 'initial deviation');
    const noise = host('noise');
    let sample: Latents = { ...noise, data: noise.data.map((value) => value * sampler.initNoiseSigma) };
    // diffusers subtracts in float32, which has steps of 5e-4 at the 4096 that zero terminal SNR begins with.
    const tolerance = sampler.initNoiseSigma > 1000 ? 1e-4 : 1e-5;
    const samples = sampler.timesteps.map((timestep) => {
      const output = model(sampler.scaleModelInput(sample, timestep), timestep);
      sample = sampler.step(output, timestep, sample).prevSample;
      return Array.from(sample.data);
    });
    const expected = host(test.samples).data;
    const size = noise.data.length;
    for (const [i, found] of samples.entries())
      expectClose(found, expected.subarray(i * size, (i + 1) * size), tolerance, `sample after step ${i + 1}`);
  }
});

describe.each(Object.entries(fixture.about<Record<string, Schedule>>('schedules')))('DDPM, %s', (_, test) => {
  const schedule = DDPM.fromConfig(test.config);

  it('has the products, noisy samples, velocities and weights of diffusers', () => {
    expectClose(schedule.alphasCumprod, host(test.alphasCumprod).data, 1e-6, 'products');
    const [original, noise] = [host(test.original), host(test.noise)];
    const noisy = schedule.addNoise(original, noise, test.at);
    expectClose(noisy.data, host(test.noisy).data, 1e-6, 'noisy');
    expectClose(schedule.getVelocity(original, noise, test.at).data, host(test.velocity).data, 1e-6, 'velocity');
    const weights = test.at.map((timestep) => schedule.minSnrWeight(timestep, test.gamma));
    expectClose(weights, host(test.weights).data, 2e-5, 'weights');
  });

  it('finds the clean sample in what the model should say', () => {
    const [original, noise] = [host(test.original), host(test.noise)];
    const noisy = schedule.addNoise(original, noise, test.at);
    const outputs = {
      epsilon: noise,
      v_prediction: schedule.getVelocity(original, noise, test.at),
      sample: original,
    };
    const found = schedule.predictOriginal(outputs[schedule.predictionType], noisy, test.at);
    // At timestep 998, σ/α is above 14.
    expectClose(found.data, original.data, 1e-4, 'clean samples');
  });
});

it('guidance leads away from the unconditional output', () => {
  const [unconditional, conditional] = [
    { dims: [2], data: [1, 2] },
    { dims: [2], data: [2, 0] },
  ];
  expect(guided(unconditional, conditional, 7.5)).toEqual({ dims: [2], data: Float32Array.of(8.5, -13) });
});

it('reads of another class what it knows', () => {
  const pndm = {
    _class_name: 'PNDMScheduler',
    beta_start: 0.00085,
    skip_prk_steps: true,
    steps_offset: 1,
    trained_betas: null,
  };
  expect(DDIM.fromConfig(pndm).stepsOffset).toBe(1);
});

describe('refuses', () => {
  const started = new DDIM();
  started.setTimesteps(10);
  const x = { dims: [1], data: [0] };
  it.each([
    [
      'a class that is not offered',
      () => samplerFromConfig({ _class_name: 'PNDMScheduler' }),
      '"PNDMScheduler" is not offered; there are DDIMScheduler',
    ],
    ['what is no config', () => samplerFromConfig('x'), 'the content of a scheduler_config.json'],
    ['what is not offered', () => DDIM.fromConfig({ thresholding: true }), 'thresholding true is not offered'],
    [
      'a value that is not known',
      () => DDPM.fromConfig({ beta_schedule: 'sigmoid' }),
      'betaSchedule should be one of linear',
    ],
    ['too few betas', () => new DDPM({ trainedBetas: [0.1] }), 'trainedBetas has 1 numbers, numTrainTimesteps is 1000'],
    ['a timestep out of turn', () => started.step(x, 1, x), 'timestep 1 is out of turn: 900 is next'],
    [
      'a timestep of no step',
      () => new EulerDiscrete().scaleModelInput(x, 1),
      'timestep 1 is out of turn: none is left',
    ],
    [
      'steps beyond the training',
      () => new DDIM({ stepsOffset: 1 }).setTimesteps(1000),
      '1000 steps with stepsOffset 1 begin at timestep 1000, the last of the training is 999',
    ],
    [
      'another shape',
      () => started.step(x, 900, { dims: [2], data: [0, 0] }),
      'step: output has shape [1], expected [2]',
    ],
    [
      'too many steps',
      () => new EulerDiscrete().setTimesteps(1001),
      'at most the 1000 timesteps of the training, got 1001',
    ],
    ['a timestep that is none', () => new DDPM().at(1000), 'timestep 1000 should be from 0 to 999'],
    ['too few timesteps', () => new DDPM().addNoise(x, x, []), '1 samples need as many timesteps, got 0'],
  ] as [string, () => unknown, string][])('%s', (_, task, message) => {
    expect(task).toThrow(GlobalPercError);
    expect(task).toThrow(message);
  });
});
