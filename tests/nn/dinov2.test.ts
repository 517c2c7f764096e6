/** DINOv2's models: names, files of both publishers, every module's output, and what they give as teachers. See `fixtures/make_dinov2.py`. */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readStateDict } from '../../src/data/index.js';
import { constantOf, GlobalPercError, numbersOf, type Shape, sizeOf, Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, type Scene } from '../../src/loss/index.js';
import { loadModel, type Model } from '../../src/model/index.js';
import type { StoredTensor } from '../../src/nn/conversion.js';
import * as nn from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { runSteps } from '../../src/runtime/index.js';
import { toOnnx } from '../../src/train/index.js';
import { Draws } from '../../src/transforms/index.js';
import { resampledPositions } from '../../src/zoo/dinov2-positions.js';
import * as models from '../../src/zoo/index.js';
import { expectClose, runGraph } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Hook {
  readonly path: string;
  readonly class: string;
  readonly output: string;
}

interface Case {
  readonly model: 'plain' | 'registers';
  readonly input: string;
  readonly tensors: { readonly pred: string; readonly target: string };
  readonly output: string;
  readonly hooks: readonly Hook[];
  readonly config: object;
  readonly loss: number;
  readonly hookLosses: readonly number[];
  readonly grad: string;
}

interface Published {
  readonly depth: number;
  readonly parameters: number;
  readonly shapes: readonly (readonly [name: string, shape: Shape])[];
}

interface Positions {
  readonly table: string;
  readonly antialias: boolean;
  readonly offset: number;
  readonly grid: readonly [number, number];
  readonly result: string;
}

const fixture = readFixture<Case>('dinov2/dinov2.safetensors');
const published = fixture.about<Record<string, Published>>('published');
const file = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/dinov2/${name}`, import.meta.url));

const CONSTRUCTORS: Readonly<Record<string, () => nn.Module>> = {
  dinov2Vits14: models.dinov2Vits14,
  dinov2Vitb14: models.dinov2Vitb14,
  dinov2Vitl14: models.dinov2Vitl14,
  dinov2Vits14Reg: models.dinov2Vits14Reg,
  dinov2Vitb14Reg: models.dinov2Vitb14Reg,
  dinov2Vitl14Reg: models.dinov2Vitl14Reg,
};

const OPTIONS = {
  plain: {},
  registers: { numRegisterTokens: 4, interpolateAntialias: true, interpolateOffset: 0 },
};

const emptyNet = (name: Case['model']): models.DinoVisionTransformer =>
  new models.DinoVisionTransformer({ embedDim: 9, depth: 2, numHeads: 3, imgSize: 42, ...OPTIONS[name] });

const netOf = async (name: Case['model'], extension = 'pth'): Promise<models.DinoVisionTransformer> =>
  emptyNet(name).loadStateDict(await readStateDict(file(`${name}.${extension}`)));

const runs = fixture.cases.map((test) => ({ label: `${test.model}, ${test.input}`, test }));

describe('full size', () => {
  it.each(Object.entries(published))(
    '%s has the names and shapes of the original',
    (name, { depth, parameters, shapes }) => {
      const net = (CONSTRUCTORS[name] as () => nn.Module)();
      const wanted = Array.from({ length: depth }, (_, block) =>
        shapes.map(([key, shape]) => [key.replace(/^blocks\.0\./, `blocks.${block}.`), shape] as const),
      ).flat();
      const found = Array.from(net.namedState(), ([key, { shape }]) => [key, shape] as const);
      expect(new Map(found)).toEqual(new Map(wanted));
      expect(found.reduce((sum, [, shape]) => sum + sizeOf(shape), 0)).toBe(parameters);
    },
  );

  it('weights are drawn when they are read, by the seed and not by the order', () => {
    const weights = (read: (net: nn.Module) => void): number[][] => {
      nn.manualSeed(3);
      const net = models.dinov2Vits14();
      read(net);
      return ['blocks.3.attn.qkv.weight', 'blocks.0.ls1.gamma', 'patch_embed.proj.bias', 'pos_embed'].map((key) => {
        const [, held] = [...net.namedState()].find(([path]) => path === key) as [string, nn.Parameter];
        return Array.from(held.data.subarray(0, 200));
      });
    };
    const [qkv, gamma, bias, positions] = weights(() => undefined) as [number[], number[], number[], number[]];
    expect(weights((net) => net.parameters().at(-3)?.data)).toEqual([qkv, gamma, bias, positions]);
    const deviation = (values: number[]): number =>
      Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    expect(deviation(qkv)).toBeCloseTo(0.02, 2);
    expect(deviation(positions)).toBeCloseTo(0.02, 2);
    expect(new Set(gamma)).toEqual(new Set([1]));
    expect(Math.max(...bias.map(Math.abs))).toBeLessThan(1 / Math.sqrt(3 * 14 * 14));
  });
});

describe('weights', () => {
  it.each(['plain', 'registers'] as const)("%s: both publishers' files are one model", async (name) => {
    const [original, huggingFace] = [await netOf(name, 'pth'), await netOf(name, 'safetensors')];
    const state = original.stateDict();
    expect(Object.keys(state)).toEqual(Object.keys(await readStateDict(file(`${name}.pth`))));
    expect(huggingFace.stateDict()).toEqual(state);
  });

  it.each(['plain', 'registers'] as const)('%s: what transformers 5 calls its modules is read too', async (name) => {
    const parts = { query: 'q', key: 'k', value: 'v' } as Record<string, string>;
    const renamed = Object.entries(await readStateDict(file(`${name}.safetensors`))).map(([key, tensor]) => [
      key
        .replace(/attention\.attention\.(\w+)\./, (_, part: string) => `attention.${parts[part]}_proj.`)
        .replace('attention.output.dense', 'attention.o_proj'),
      tensor,
    ]);
    const net = emptyNet(name).loadStateDict(Object.fromEntries(renamed));
    expect(net.stateDict()).toEqual((await netOf(name)).stateDict());
  });

  it('of timm are read, where the class token has its position in it', async () => {
    const { mask_token: _, ...plain } = await readStateDict(file('plain.pth'));
    const state = emptyNet('plain').loadStateDict(plain).stateDict();
    expect({ ...state, mask_token: 0 }).toEqual({ ...(await netOf('plain')).stateDict(), mask_token: 0 });

    const { mask_token, register_tokens, cls_token, pos_embed, ...rest } = await readStateDict(file('registers.pth'));
    const [token, positions] = [cls_token, pos_embed].map((tensor) => Array.from(tensor?.data as Float32Array));
    const sum = Float32Array.from(token as number[], (x, i) => x + (positions?.[i] as number));
    const withoutClass = Float32Array.from(positions as number[]).slice(9);
    const timm = {
      ...rest,
      reg_token: register_tokens as StoredTensor,
      cls_token: { dtype: 'float32', dims: [1, 1, 9], data: sum },
      pos_embed: { dtype: 'float32', dims: [1, 9, 9], data: withoutClass },
    } as Record<string, StoredTensor>;
    const found = emptyNet('registers').loadStateDict(timm).stateDict();
    expect(found.cls_token?.data).toEqual(sum);
    expect(found.pos_embed?.data).toEqual(Float32Array.of(...Array(9).fill(0), ...withoutClass));
    expect(found.register_tokens?.data).toEqual(register_tokens?.data);
    expect(() => emptyNet('plain').loadStateDict(timm)).toThrow(/not in the model: register_tokens/);
  });

  it('behind a classifier are found, the classifier is left out', async () => {
    const state = await readStateDict(file('plain.safetensors'));
    const renamed = Object.entries(state).map(([key, tensor]) => [`dinov2.${key}`, tensor] as const);
    const head = { dtype: 'float32', dims: [10, 18], data: new Float32Array(180) } as const;
    const withHead = { ...Object.fromEntries(renamed), 'classifier.weight': head };
    expect(emptyNet('plain').loadStateDict(withHead).stateDict()).toEqual((await netOf('plain')).stateDict());
  });

  it.each([
    [
      'a name is missing',
      ({ 'encoder.layer.1.attention.attention.key.bias': _, ...rest }) => rest,
      'missing: encoder.layer.1.attention.attention.key.bias',
    ],
    [
      'a name is not known',
      (state) => ({ ...state, 'lm_head.weight': state['layernorm.weight'] }),
      'not in the model: lm_head.weight',
    ],
    [
      'a shape is another',
      (state) => ({ ...state, 'layernorm.weight': state['embeddings.mask_token'] }),
      'of another shape: layernorm.weight [1,9] instead of [9]',
    ],
  ] as [string, (state: Record<string, StoredTensor>) => Record<string, StoredTensor>, string][])(
    'are refused when %s, by the names of the file',
    async (_, change, message) => {
      const state = change(await readStateDict(file('plain.safetensors')));
      const load = (): unknown => emptyNet('plain').loadStateDict(state);
      expect(load).toThrow(GlobalPercError);
      expect(load).toThrow(`the weights are not those of this model: ${message}`);
    },
  );

  it('of a model with registers are not those of one without', async () => {
    const state = await readStateDict(file('registers.pth'));
    expect(() => emptyNet('plain').loadStateDict(state)).toThrow(/not in the model: register_tokens/);
  });
});

describe('position embeddings', () => {
  it.each(fixture.about<Positions[]>('positions'))('of 37 × 37 to $grid, antialias $antialias', async (test) => {
    const graph = createGraph();
    const grid = numbersOf(fixture.tensor(test.table));
    const table = graph.constant(constantOf('float32', [1, 1 + grid.length, 1], [0.5, ...grid]));
    const { y } = await runGraph(graph, { y: resampledPositions(table, test.grid, test) }, {});
    const [first, ...resampled] = y as [number, ...number[]];
    expect(first).toBe(0.5);
    // PyTorch, which places samples in float32, is 2e-6 away from itself in float64.
    expectClose(resampled, fixture.tensor(test.result), 5e-6, 'resampled');
  });
});

/** Each hooked tensor against what PyTorch's forward hook saw. */
async function expectHooks(
  graph: Tensor['graph'],
  tensors: readonly Tensor[],
  hooks: readonly Hook[],
  test: Case,
): Promise<void> {
  const outputs = Object.fromEntries(tensors.map((tensor, i) => [`hook${i}`, tensor]));
  const results = await runGraph(graph, outputs, { input: fixture.tensor(test.tensors.pred) });
  for (const [i, hook] of hooks.entries()) {
    expectClose(results[`hook${i}`] as number[], fixture.tensor(hook.output), 1e-5, hook.path);
  }
}

describe.each(runs)('$label', ({ test }) => {
  it.each(['pth', 'safetensors'])('every module gives what it gives in PyTorch, loaded from .%s', async (extension) => {
    const net = (await netOf(test.model, extension)).eval();
    const graph = createGraph();
    const trace = new nn.Trace(graph, net);
    const output = net(graph.input('input', 'float32', fixture.tensor(test.tensors.pred).shape));
    const calls = trace.calls.filter(({ path }) => path !== '');
    expect(calls.map(({ path, class: name }) => [path, name])).toEqual(
      test.hooks.map(({ path, class: name }) => [path, name]),
    );
    const tensors = [...calls.map((call) => new Tensor(graph, call.output)), output];
    await expectHooks(graph, tensors, [...test.hooks, { path: 'output', class: '', output: test.output }], test);
  });
});

describe('as a teacher', () => {
  const losses: GlobalPercLoss[] = [];
  afterAll(() => Promise.all(losses.map((loss) => loss.dispose())));

  const lossOf = (model: Model, config: GlobalPercConfig): GlobalPercLoss => {
    const loss = new GlobalPercLoss(model, config);
    losses.push(loss);
    return loss;
  };

  const teachers = runs.flatMap(({ label, test }) => {
    const { shape } = fixture.tensor(test.tensors.pred);
    const own = async (): Promise<Model> => loadModel(await toOnnx(await netOf(test.model), { input: shape }));
    const exported = (): Promise<Model> => loadModel(file(`${test.model}.onnx`));
    const all = [{ label: `${label}, by toOnnx`, test, load: own }];
    return test.input === 'other size' ? [...all, { label: `${label}, by torch.onnx`, test, load: exported }] : all;
  });

  it.each(teachers)('$label: the hooks, the loss and its gradient are those of PyTorch', async ({ test, load }) => {
    const model = await load();
    const everything = lossOf(
      model,
      new GlobalPercConfig({ modulesToHook: model.calls.map((call) => call.class), printData: false }),
    );
    const visible = test.hooks.filter(({ class: name }) => name !== 'Dropout' && name !== 'Identity');
    const described = ({ path, class: name }: { path: string; class: string }): string => `${path}: ${name}`;
    expect(everything.hooks.map(described)).toEqual(visible.map(described));
    const pred = fixture.tensor(test.tensors.pred);
    const image = createGraph().input('input', 'float32', pred.shape);
    const scene = { session: {}, options: {}, draws: new Draws() } as Scene;
    const activations = await runSteps(everything.description.activations(image, scene));
    await expectHooks(image.graph, activations, visible, test);

    const loss = lossOf(model, GlobalPercConfig.fromJSON(test.config, { printData: false }));
    const { value, grad, hooks } = await loss.valueAndGrad(hostOf(pred), hostOf(fixture.tensor(test.tensors.target)));
    expectClose([value], [test.loss], 1e-5, 'loss');
    expectClose(
      hooks.map((hook) => hook.loss),
      test.hookLosses,
      1e-5,
      'losses of the hooks',
    );
    expectClose(grad.data as Float32Array, fixture.tensor(test.grad), 1e-5, 'gradient');
  });

  it('takes any batch of the exported size', async () => {
    const test = fixture.cases.at(-1) as Case;
    const model = await loadModel(await toOnnx(await netOf(test.model), { input: [1, 3, 28, 56] }));
    expect(model.input.declaredShape).toEqual(['batch', 3, 28, 56]);
    const loss = lossOf(model, GlobalPercConfig.fromJSON(test.config, { printData: false }));
    const twice = (key: string) => {
      const { dims, data } = hostOf(fixture.tensor(key));
      return { dims: dims.with(0, 2), data: Float32Array.of(...data, ...data) };
    };
    const value = await loss.evaluate(twice(test.tensors.pred), twice(test.tensors.target));
    expectClose([value], [test.loss], 1e-5, 'mean over two equal pairs');
  });

  it.each([
    [['Attention'], ['blocks.0.attn', 'blocks.1.attn']],
    [
      ['Block', models.Mlp],
      ['blocks.0.mlp', 'blocks.0', 'blocks.1.mlp', 'blocks.1'],
    ],
  ])('is hooked by its own classes: %j', async (modulesToHook, paths) => {
    const model = await loadModel(file('plain.onnx'));
    const { hooks } = lossOf(model, new GlobalPercConfig({ modulesToHook, printData: false }));
    expect(hooks.map(({ path }) => path)).toEqual(paths);
  });
});

it('names the nearest sizes of an image that is not cut into whole patches', () => {
  const x = createGraph().input('x', 'float32', [1, 3, 100, 56]);
  expect(() => emptyNet('plain')(x)).toThrow(GlobalPercError);
  expect(() => emptyNet('plain')(x)).toThrow(
    'PatchEmbed: sides should be multiples of 14, got [1,3,100,56]; the nearest are 98 × 56',
  );
});

it.each([
  [{ numHeads: 2 }, /2 heads do not divide 9 features/],
  [{ imgSize: 100 }, /imgSize 100 is no multiple of patchSize 14/],
])('refuses %j', (options, message) => {
  const size = { embedDim: 9, depth: 1, numHeads: 3, ...options };
  expect(() => new models.DinoVisionTransformer(size)).toThrow(GlobalPercError);
  expect(() => new models.DinoVisionTransformer(size)).toThrow(message);
});
