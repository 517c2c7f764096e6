/** Networks and their files against diffusers and transformers. See `fixtures/make_diffusion_models.py`. */
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { AutoencoderKL, CLIPTextModel, PipelineFolder, UNet2DConditionModel } from '../../src/diffusion/index.js';
import { GlobalPercError, type Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';
import { readFixture } from '../support/safetensors.js';

interface Case {
  readonly name: string;
  readonly model: string;
  readonly call: 'forward' | 'encode' | 'decode';
  readonly inputs: readonly string[];
  readonly output: string;
  readonly inputGradients: readonly string[];
  readonly gradients: Readonly<Record<string, readonly [norm: number, sketch: number]>>;
  readonly keys: readonly string[];
}

const fixture = readFixture<Case>('diffusion/models.safetensors');
const PIPELINE = fileURLToPath(new URL('../../fixtures/data/diffusion/pipeline', import.meta.url));
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** A copy of the pipeline, whose parts can be put in each other's place. */
async function copy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
  folders.push(folder);
  await cp(PIPELINE, folder, { recursive: true });
  return folder;
}

/** The pipeline with another part under the name of one. */
async function withPart(part: string, other: string): Promise<PipelineFolder> {
  if (part === other) return PipelineFolder.open(PIPELINE);
  const folder = await copy();
  await rm(join(folder, part), { recursive: true });
  await rename(join(folder, other), join(folder, part));
  return PipelineFolder.open(folder);
}

const LOADERS: Readonly<Record<string, () => Promise<nn.Module>>> = {
  unet: async () => (await withPart('unet', 'unet')).unet(),
  'unet-2': async () => (await withPart('unet', 'unet-2')).unet(),
  vae: async () => (await withPart('vae', 'vae')).vae(),
  'vae-tiny': async () => (await withPart('vae', 'vae-tiny')).vae(),
  text_encoder: async () => (await withPart('vae', 'vae')).textEncoder(),
};

it.each(fixture.cases)('$name: output and gradients are those of Python', async (test) => {
  const model = await (LOADERS[test.model] as () => Promise<nn.Module>)();
  // transformers 5 names the modules without their common parent.
  const keys = Object.keys(model.stateDict()).map((key) => key.replace(/^text_model\./, ''));
  expect(new Set(keys)).toEqual(new Set(test.keys));

  const graph = createGraph();
  const inputs = test.inputs.map((key, i) =>
    graph.input(`input${i}`, fixture.tensor(key).dtype, fixture.tensor(key).shape),
  );
  const held = new Map<string, { tensor: Tensor; parameter: nn.Parameter }>();
  new nn.Trace(graph, model, (path, parameter) => {
    const tensor = graph.input(path, 'float32', parameter.shape);
    held.set(path, { tensor, parameter: parameter as nn.Parameter });
    return tensor;
  });
  const method = test.call === 'forward' ? model : (model as AutoencoderKL)[test.call].bind(model);
  const output = method(...(inputs as [Tensor]));
  const wave = (size: number, phase: number): number[] =>
    Array.from({ length: size }, (_, i) => Math.cos(0.7 * i + phase));
  const loss = output.mul(output.constant(wave(output.size, 0), output.shape)).sum();
  const floats = inputs.filter(({ dtype }) => dtype === 'float32');
  const wrt = [...floats, ...Array.from(held.values(), ({ tensor }) => tensor)];
  graph.output('output', output);
  for (const [i, slope] of gradient(loss, wrt).entries()) graph.output(`gradient${i}`, slope);
  const results = await withSession(graph, (session) =>
    session.run({
      ...Object.fromEntries(test.inputs.map((key, i) => [`input${i}`, feedOf(fixture.tensor(key))])),
      ...Object.fromEntries(
        Array.from(held, ([path, { parameter }]) => [
          path,
          { dtype: 'float32', dims: parameter.shape, data: parameter.data },
        ]),
      ),
    }),
  );

  expectClose(numbersIn(results.output), fixture.tensor(test.output), 1e-5, 'output');
  for (const [i, key] of test.inputGradients.entries())
    expectClose(numbersIn(results[`gradient${i}`]), fixture.tensor(key), 1e-5, `gradient by input ${i}`);
  const gradients = new Map(
    Array.from(held.keys(), (path, i) => [
      path.replace(/^text_model\./, ''),
      numbersIn(results[`gradient${floats.length + i}`]),
    ]),
  );
  expect([...gradients.keys()].sort()).toEqual(Object.keys(test.gradients).sort());
  // What is left of sums that cancel is as exact as the others are large.
  const floor = 1e-6 * Math.max(...Object.values(test.gradients).map(([norm]) => norm));
  for (const [path, [norm, sketch]] of Object.entries(test.gradients)) {
    const found = gradients.get(path) as number[];
    expect(Math.abs(Math.hypot(...found) - norm), path).toBeLessThan(2e-5 * norm + floor);
    const dot = found.reduce((sum, slope, i) => sum + slope * (wave(found.length, 0.3)[i] as number), 0);
    expect(Math.abs(dot - sketch), path).toBeLessThan((2e-5 * norm + floor) * Math.sqrt(found.length));
  }
});

it('reads what diffusers before 0.18 called the projections of attention', async () => {
  const model = (await (await PipelineFolder.open(PIPELINE)).vae()) as AutoencoderKL;
  const names = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
  const old = Object.entries(model.stateDict()).map(([key, tensor]) => [
    Object.entries(names).reduce(
      (name, [now, then]) => name.replace(`attentions.0.${now}.`, `attentions.0.${then}.`),
      key,
    ),
    tensor,
  ]);
  const config = JSON.parse(await readFile(join(PIPELINE, 'vae/config.json'), 'utf8'));
  expect(AutoencoderKL.fromConfig(config).loadStateDict(Object.fromEntries(old)).stateDict()).toEqual(
    model.stateDict(),
  );
});

it('the sizes of Stable Diffusion 1.5', () => {
  const count = (module: nn.Module): number =>
    module.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(count(UNet2DConditionModel.fromConfig({ cross_attention_dim: 768, attention_head_dim: 8 }))).toBe(859_520_964);
  const text = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 };
  expect(count(CLIPTextModel.fromConfig(text))).toBe(123_060_480);
  const vae = {
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    down_block_types: Array(4).fill('DownEncoderBlock2D'),
    up_block_types: Array(4).fill('UpDecoderBlock2D'),
  };
  expect(count(AutoencoderKL.fromConfig(vae))).toBe(83_653_863);
});

describe('refuses', () => {
  const edited = async (file: string, change: (config: Record<string, unknown>) => object): Promise<string> => {
    const folder = await copy();
    const path = join(folder, file);
    await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
    return folder;
  };
  const without = async (part: string): Promise<string> => {
    const folder = await copy();
    await rm(join(folder, part), { recursive: true });
    return folder;
  };

  it.each([
    [
      'a folder without unet/',
      async () => PipelineFolder.open(await without('unet')),
      'there is no unet/config.json; name the folder',
    ],
    [
      'more layers than any network has, before it makes them',
      async () =>
        (
          await PipelineFolder.open(
            await edited('unet/config.json', (config) => ({ ...config, layers_per_block: 2 ** 31 })),
          )
        ).unet(),
      'layersPerBlock should be an integer from 1 to 1000, got 2147483648',
    ],
    ['a folder that is not there', () => PipelineFolder.open('/nowhere'), "'/nowhere' is no pipeline of diffusers"],
    [
      'a text encoder of another width',
      async () =>
        PipelineFolder.open(await edited('text_encoder/config.json', (config) => ({ ...config, hidden_size: 8 }))),
      'unet/ has cross_attention_dim 6, text_encoder/ hidden_size 8',
    ],
    [
      'an autoencoder of other latents',
      async () =>
        PipelineFolder.open(await edited('vae/config.json', (config) => ({ ...config, latent_channels: 16 }))),
      'unet/ has in_channels 4, vae/ latent_channels 16',
    ],
    [
      'a part without weights',
      async () => (await PipelineFolder.open(await without('unet/diffusion_pytorch_model.safetensors'))).unet(),
      "unet' has no weights: expected diffusion_pytorch_model.safetensors or model.safetensors",
    ],
    [
      'weights of other widths',
      async () =>
        (
          await PipelineFolder.open(
            await edited('unet/config.json', (config) => ({ ...config, block_out_channels: [8, 8] })),
          )
        ).unet(),
      /unet: the weights are not those of this model: .*of another shape: conv_in.weight \[4,4,3,3\] instead of \[8,4,3,3\]/,
    ],
    [
      'no vae/',
      async () => (await PipelineFolder.open(await without('vae'))).vae(),
      'has no vae/ with its configuration file',
    ],
    [
      'what is not offered',
      async () =>
        (
          await PipelineFolder.open(
            await edited('unet/config.json', (config) => ({ ...config, addition_embed_type: 'text_time' })),
          )
        ).unet(),
      'addition_embed_type "text_time" is not offered; expected null',
    ],
    [
      'a level that is not known',
      () => Promise.reject(catching(() => new UNet2DConditionModel({ downBlockTypes: ['DownBlock2D'] }))),
      'downBlockTypes should have 4 values, one for each block, got 1',
    ],
  ] as [string, () => Promise<unknown>, string | RegExp][])('%s', async (_, task, message) => {
    const error = await task().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(GlobalPercError);
    expect(error).toEqual(
      expect.objectContaining({
        message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
      }),
    );
  });

  it('latents of sides that the levels do not halve', () => {
    const graph = createGraph();
    const unet = new UNet2DConditionModel({
      blockOutChannels: [4, 4],
      normNumGroups: 2,
      downBlockTypes: ['DownBlock2D', 'DownBlock2D'],
      upBlockTypes: ['UpBlock2D', 'UpBlock2D'],
      attentionHeadDim: 2,
    });
    let inputs = 0;
    const input = (shape: number[]): Tensor => {
      inputs += 1;
      return graph.input(`x${inputs}`, 'float32', shape);
    };
    expect(() => unet(input([1, 4, 7, 8]), input([1]), input([1, 2, 1280]))).toThrow(
      'sides should be multiples of 2, got [1,4,7,8]',
    );
    expect(() => unet(input([1, 4, 8, 8]), input([1]), input([1, 2, 6]))).toThrow(
      'UNet2DConditionModel: text takes an input of shape [1, M, 1280], got [1, 2, 6]',
    );
  });
});

function catching(task: () => unknown): unknown {
  try {
    return task();
  } catch (error) {
    return error;
  }
}
