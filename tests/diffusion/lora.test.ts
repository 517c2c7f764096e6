/** Adapters against peft's, and their files against diffusers'. See `fixtures/make_lora.py`. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { formatSafetensors, parseSafetensors } from '../../src/data/index.js';
import { formatLora, loadLora, PipelineFolder, parseLora, saveLora } from '../../src/diffusion/index.js';
import { GlobalPercError, numbersOf, sizeOf, type Tensor } from '../../src/graph/index.js';
import { loadModel, type TrainableModel } from '../../src/model/index.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { expectClose, feedOf, numbersIn, withSession } from '../support/run.js';
import { readFixture } from '../support/safetensors.js';

interface Case {
  readonly rank: number;
  readonly alpha: number;
  readonly inputs: readonly string[];
  readonly plain: string;
  readonly output: string;
  readonly gradients: Readonly<Record<string, string>>;
}

const fixture = readFixture<Case>('diffusion/lora/run.safetensors');
const [run] = fixture.cases as [Case];
const data = fileURLToPath(new URL('../../fixtures/data/diffusion', import.meta.url));
const FILES = { diffusers: `${data}/lora/peft.safetensors`, kohya: `${data}/lora/kohya.safetensors` };
const TARGETS = /(attn[12]\.to_(q|k|v|out\.0)|resnets\.0\.conv1|proj_in)$/;

const unetOf = async (): Promise<nn.Module> => (await PipelineFolder.open(`${data}/pipeline`)).unet();

/** What a U-Net gives for the fixture's inputs, and the gradients by the weights that train. */
async function computed(unet: nn.Module): Promise<{ output: number[]; gradients: Map<string, number[]> }> {
  const graph = createGraph();
  const inputs = run.inputs.map((key) => graph.input(key, fixture.tensor(key).dtype, fixture.tensor(key).shape));
  const trained = new Map<string, Tensor>();
  const feeds = Object.fromEntries(run.inputs.map((key) => [key, feedOf(fixture.tensor(key))]));
  new nn.Trace(graph, unet, (path, held) => {
    if (!(held as nn.Parameter).requiresGrad) return graph.constant(nn.constantOfHeld(held), path);
    feeds[path] = { dtype: 'float32', dims: held.shape, data: held.data };
    const tensor = graph.input(path, 'float32', held.shape);
    trained.set(path, tensor);
    return tensor;
  });
  const output = unet(...(inputs as [Tensor]));
  const waves = Array.from({ length: output.size }, (_, i) => Math.cos(0.7 * i));
  const loss = output.mul(output.constant(waves, output.shape)).sum();
  graph.output('output', output);
  const slopes = trained.size > 0 ? gradient(loss, [...trained.values()]) : [];
  for (const [i, slope] of slopes.entries()) graph.output(`gradient${i}`, slope);
  const results = await withSession(graph, (session) => session.run(feeds));
  const gradients = new Map(Array.from(trained.keys(), (path, i) => [path, numbersIn(results[`gradient${i}`])]));
  return { output: numbersIn(results.output), gradients };
}

describe('nn.lora', () => {
  it('begins as the model it is put on, with weights as peft draws them', async () => {
    const unet = await unetOf();
    nn.manualSeed(1);
    const adapters = nn.lora(unet, { rank: run.rank, alpha: run.alpha, targetModules: TARGETS });
    const { output, gradients } = await computed(unet);
    expectClose(output, fixture.tensor(run.plain), 1e-5, 'output');
    expect([...gradients.keys()].sort()).toEqual(Object.keys(run.gradients).sort());
    for (const { a, b } of adapters.layers.values()) {
      // kaiming_uniform_(a=√5): uniform in ±1/√fan_in.
      const bound = 1 / Math.sqrt(sizeOf(a.shape.slice(1)));
      expect(Math.max(...a.data.map(Math.abs))).toBeLessThanOrEqual(bound);
      expect(Math.max(...a.data.map(Math.abs))).toBeGreaterThan(bound / 2);
      expect(new Set(b.data)).toEqual(new Set([0]));
    }
  });

  it.each(Object.entries(FILES))('%s: output and gradients are those of peft', async (_, file) => {
    const unet = await unetOf();
    const adapters = await loadLora(unet, file);
    for (const { rank, alpha } of adapters.layers.values()) expect([rank, alpha]).toEqual([run.rank, run.alpha]);
    const { output, gradients } = await computed(unet);
    expectClose(output, fixture.tensor(run.output), 1e-5, 'output');
    const expected = Object.entries(run.gradients).map(
      ([path, key]) => [path, numbersOf(fixture.tensor(key))] as const,
    );
    // The gradient of keys is what is left of sums that cancel: by itself it is less exact than all together.
    for (const [path, slopes] of expected) expectClose(gradients.get(path) ?? [], slopes, 5e-5, path);
    const all = expected.map(([path]) => gradients.get(path) ?? []);
    expectClose(
      all.flat(),
      expected.flatMap(([, slopes]) => slopes),
      1e-5,
      'all gradients',
    );
  });

  it('merged, the model has no adapters and gives the same; unmerged, it is as before', async () => {
    const unet = await unetOf();
    const before = unet.stateDict();
    const adapters = await loadLora(unet, FILES.kohya);
    adapters.merge();
    const merged = await computed(unet);
    expectClose(merged.output, fixture.tensor(run.output), 1e-5, 'merged');
    expect(merged.gradients.size).toBe(0);
    adapters.merge();
    adapters.unmerge();
    expectClose((await computed(unet)).output, fixture.tensor(run.output), 1e-5, 'unmerged');
    for (const [key, tensor] of Object.entries(before))
      expectClose(unet.stateDict()[key]?.data as Float32Array, tensor.data as Float32Array, 1e-6, key);
  });

  const tower = (): nn.Module =>
    new nn.Sequential(
      new nn.Linear(4, 4),
      new nn.Conv2d(4, 4, 1, { groups: 2 }),
      new nn.MultiheadAttention(4, 2) as never,
    );

  it.each([
    ['a pattern that nothing matches', /to_q/, 'lora: no Linear or Conv2d matches /to_q/; there are 0, 2.out_proj'],
    ['a grouped convolution', /^1$/, 'no Linear or Conv2d matches /^1$/'],
    [
      'projections in one weight',
      /^2$/,
      "'2' cannot have an adapter: a MultiheadAttention keeps its projections in one weight",
    ],
    ['a projection that is read without a call', /out_proj/, "'2.out_proj' cannot have an adapter"],
  ])('refuses %s', (_, targetModules, message) => {
    const task = (): unknown => nn.lora(tower(), { rank: 2, targetModules });
    expect(task).toThrow(GlobalPercError);
    expect(task).toThrow(message);
  });

  it('names fused projections where a pattern finds nothing', () => {
    const attention = new nn.ModuleDict({ qkv: new nn.Linear(4, 12), proj: new nn.Linear(4, 4) });
    expect(() => nn.lora(attention, { rank: 2, targetModules: /to_q/ })).toThrow(
      'lora: no Linear or Conv2d matches /to_q/; there are qkv, proj; several projections in one weight: qkv',
    );
  });

  it('refuses a second adapter on a layer', () => {
    const module = new nn.Sequential(new nn.Linear(4, 4));
    nn.lora(module, { rank: 2, targetModules: /0/ });
    expect(() => nn.lora(module, { rank: 2, targetModules: /0/ })).toThrow('there is an adapter already on 0');
  });
});

describe.each(['dynamo', 'torchscript'])('an imported model, %s', (style) => {
  const load = async (): Promise<TrainableModel> =>
    loadModel(`${data}/lora/unet.${style}.onnx`, { trainable: true, input: 'sample' });
  /** Its modules lie one level deeper. */
  const inside = (key: string): string => `unet.${key}`;
  const prepared = async (): Promise<{ unet: TrainableModel; adapters: nn.LoraAdapters }> => {
    const unet = await load();
    const adapters = nn.lora(unet, { rank: run.rank, alpha: run.alpha, targetModules: TARGETS });
    const from = await loadLora(await unetOf(), FILES.kohya);
    // Files have the names that the U-Net has without what it was exported in.
    expect(keysOf(formatLora(adapters))).toEqual(keysOf(formatLora(from)));
    expect((await loadLora(await load(), FILES.kohya)).layers.size).toBe(from.layers.size);
    expect([...adapters.layers.keys()].sort()).toEqual([...from.layers.keys()].map(inside).sort());
    for (const [path, { a, b }] of from.layers) {
      const layer = adapters.layers.get(inside(path)) as nn.LoraLayer;
      expect([layer.a.shape, layer.b.shape]).toEqual([a.shape, b.shape]);
      [layer.a.data, layer.b.data] = [a.data, b.data];
    }
    await unet.prepare(...run.inputs.map((key) => fixture.tensor(key).shape));
    return { unet, adapters };
  };
  const first = (unet: TrainableModel): nn.Module => new First(unet);

  it('output and gradients are those of peft, merged too', async () => {
    const { unet, adapters } = await prepared();
    const { output, gradients } = await computed(first(unet));
    expectClose(output, fixture.tensor(run.output), 1e-5, 'output');
    const expected = Object.entries(run.gradients);
    const all = expected.map(([path]) => gradients.get(`model.${inside(path)}`) ?? []);
    expectClose(
      all.flat(),
      expected.flatMap(([, key]) => numbersOf(fixture.tensor(key))),
      1e-5,
      'gradients',
    );
    expect(gradients.size).toBe(expected.length);
    expect(() => unet.toOnnx()).toThrow('the file has no place for adapters: call adapters.merge() before');
    adapters.merge();
    expectClose((await computed(first(unet))).output, fixture.tensor(run.output), 1e-5, 'merged');
    const written = await loadModel(unet.toOnnx(), { trainable: true, input: 'sample' });
    await written.prepare(...run.inputs.map((key) => fixture.tensor(key).shape));
    const without = written.freeze();
    expectClose((await computed(first(without))).output, fixture.tensor(run.output), 1e-5, 'written');
  });
});

const keysOf = (bytes: Uint8Array): string[] => [...parseSafetensors(bytes, '').tensors.keys()].sort();

/** The first output of an imported model. */
class First extends nn.Module {
  readonly model: TrainableModel;

  constructor(model: TrainableModel) {
    super();
    this.model = model;
  }

  override forward(...inputs: Tensor[]): Tensor {
    return this.model(...inputs)[0] as Tensor;
  }
}

describe('files', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  it.each(['diffusers', 'kohya'] as const)('%s: what is written is what was read', async (naming) => {
    const folder = await mkdtemp(join(tmpdir(), 'lora-'));
    folders.push(folder);
    const file = join(folder, `${naming}.safetensors`);
    const adapters = await loadLora(await unetOf(), FILES.kohya);
    await saveLora(adapters, file, { naming });
    const [written, read] = [file, FILES[naming]].map((path) => readFile(path));
    const [ours, theirs] = (await Promise.all([written, read])).map((bytes) =>
      parseSafetensors(bytes as Uint8Array, ''),
    );
    expect([...(ours?.tensors.keys() ?? [])].sort()).toEqual([...(theirs?.tensors.keys() ?? [])].sort());
    const again = await loadLora(await unetOf(), file);
    for (const [path, { a, b, alpha }] of again.layers) {
      const layer = adapters.layers.get(path) as nn.LoraLayer;
      expect([a.data, b.data, alpha]).toEqual([layer.a.data, layer.b.data, layer.alpha]);
    }
  });

  it('of another model is refused with the keys listed, and nothing is changed', async () => {
    const other = new nn.Sequential(new nn.Linear(4, 4));
    const bytes = await readFile(FILES.diffusers);
    expect(() => parseLora(other, bytes, 'x.safetensors')).toThrow(
      'x.safetensors is a LoRA of another model: no layer of the model has unet.down_blocks.0.attentions.0.proj_in.lora_A.weight',
    );
    expect(Object.keys(other.stateDict())).toEqual(['0.weight', '0.bias']);
  });

  it('of other widths is refused', () => {
    const small = nn.lora(new nn.Sequential(new nn.Linear(4, 6)), { rank: 2, targetModules: /0/ });
    const large = new nn.Sequential(new nn.Linear(8, 6));
    expect(() => parseLora(large, formatLora(small), 'x')).toThrow(
      "x is a LoRA of another model: 0 is [6,2]·[2,4], the model's weight [6,8]",
    );
  });

  it('with damaged settings is refused', () => {
    const module = (): nn.Module => new nn.Sequential(new nn.Linear(4, 6));
    const { tensors } = parseSafetensors(formatLora(nn.lora(module(), { rank: 2, targetModules: /0/ })), '');
    const bytes = formatSafetensors(Object.fromEntries(tensors), { lora_adapter_metadata: '{' });
    expect(() => parseLora(module(), bytes, 'x')).toThrow(
      'x is damaged: its lora_adapter_metadata should be a JSON object',
    );
  });

  it('of another part is refused', () => {
    const adapters = nn.lora(new nn.Sequential(new nn.Linear(4, 6)), { rank: 2, targetModules: /0/ });
    const bytes = formatLora(adapters, { naming: 'kohya', part: 'text_encoder' });
    expect(() => parseLora(new nn.Sequential(new nn.Linear(4, 6)), bytes, 'x')).toThrow(
      "x has no adapters for 'unet': expected keys such as unet.….lora_A.weight or lora_unet_….lora_down.weight, there are lora_te_0.lora_down.weight",
    );
  });
});
