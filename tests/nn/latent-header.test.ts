/** DINOv2 whose patches are read from latents, against PyTorch: see `fixtures/make_latents.py`. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readStateDict } from '../../src/data/index.js';
import { numbersOf } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d, type StoredTensor } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';
import { Pad } from '../../src/transforms/index.js';
import * as models from '../../src/zoo/index.js';
import { relativeError } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Case {
  readonly label: string;
  readonly padding: number;
  readonly config: object;
  readonly pred: string;
  readonly target: string;
  readonly loss: number;
  readonly hookLosses: readonly number[];
  readonly grad: string;
}

const fixture = readFixture<Case>('latents/latents.safetensors');
const header = fileURLToPath(new URL('../../fixtures/data/latents/header.pkl', import.meta.url));
const REGISTERS = { numRegisterTokens: 4, interpolateAntialias: true, interpolateOffset: 0 };

const emptyNet = (): models.DinoVisionTransformer =>
  new models.DinoVisionTransformer({
    ...{ embedDim: 8, depth: 2, numHeads: 2, imgSize: 12, patchSize: 2, ...REGISTERS },
    patchEmbed: new models.DinoLatentHeader(4, 8),
  });

/** The whole model's weights by their keys. */
const state = (): Record<string, StoredTensor> =>
  Object.fromEntries(
    Array.from(emptyNet().namedState(), ([key]) => {
      const { dims, data } = hostOf(fixture.tensor(`state.${key}`));
      return [key, { dtype: 'float32', dims, data: data as Float32Array }];
    }),
  );

describe('DINOv2 of latents', () => {
  it.each(fixture.cases)('gives the hooks, loss and gradient of PyTorch, $label', async (test) => {
    const net = emptyNet().loadStateDict(state());
    const [side] = [8 + 2 * test.padding];
    const teacher = await loadModel(await toOnnx(net, { input: [2, 4, side, side] }));
    const config = GlobalPercConfig.fromJSON(test.config);
    const transform = test.padding > 0 ? { transformNormalization: new Pad(test.padding) } : {};
    const loss = new GlobalPercLoss(teacher, new GlobalPercConfig({ ...config, ...transform, printData: false }));
    const [pred, target, grad] = [test.pred, test.target, test.grad].map((name) => hostOf(fixture.tensor(name)));
    const found = await loss.valueAndGrad(pred as never, target as never);
    expect(found.hooks).toHaveLength(test.hookLosses.length);
    found.hooks.forEach((hook, i) => {
      expect(hook.loss, `${i} ${hook.path}`).toBeCloseTo(test.hookLosses[i] as number, 5);
    });
    expect(found.value).toBeCloseTo(test.loss, 4);
    expect(relativeError(found.grad.data, grad?.data as Float32Array)).toBeLessThan(2e-5);
    await loss.dispose();
  });

  it('reads the head that `torch.save` wrote', async () => {
    const head = new models.DinoLatentHeader(4, 8).loadStateDict(await readStateDict(header));
    const expected = numbersOf(fixture.tensor('state.patch_embed.proj.train_layer.2.conv.0.weight'));
    expect(Array.from(head.stateDict()['train_layer.2.conv.0.weight']?.data ?? [], Number)).toEqual(expected);
  });

  it('at full size has the positions of pretraining, and takes its weights beside a new head', () => {
    const net = models.dinov2Vits14Reg({ patchEmbed: new models.DinoLatentHeader(), patchSize: 2 });
    expect(net.pos_embed.shape).toEqual([1, 1 + 37 ** 2, 384]);
    const { pos_embed: positions } = Object.fromEntries(net.namedState());
    const keys = Array.from(net.namedState(), ([key]) => key).filter((key) => key.startsWith('patch_embed'));
    expect(keys).toHaveLength(2 + 2 * 18 + 2 + 1);
    const other = {
      dtype: 'float32',
      dims: positions?.shape as number[],
      data: new Float32Array(1370 * 384).fill(2),
    } as const;
    const proj = { dtype: 'float32', dims: [384, 3, 14, 14], data: new Float32Array(384 * 588) } as const;
    const { missingKeys, unexpectedKeys } = net.loadStateDict(
      { pos_embed: other, 'patch_embed.proj.weight': proj },
      { strict: false },
    );
    expect(unexpectedKeys).toEqual(['patch_embed.proj.weight']);
    expect(missingKeys).toContain('patch_embed.proj.train_layer.0.weight');
    expect(net.pos_embed.data[5]).toBe(2);
  });

  it('says where head and patch size do not go together', async () => {
    const net = new models.DinoVisionTransformer({
      embedDim: 8,
      depth: 1,
      numHeads: 2,
      imgSize: 12,
      patchSize: 2,
      patchEmbed: new Conv2d(4, 8, 4, { stride: 4 }),
    });
    await expect(Trainer.create(net, new L1Loss(), new SGD(), { batch: [1, 4, 8, 8] })).rejects.toThrow(
      'PatchEmbed: patches of 2 of an input [1,4,8,8] are 4 × 4, proj gives [1,8,2,2]: check patchSize',
    );
    expect(() => models.dinov2Vits14({ patchEmbed: 4 as never })).toThrow(/patchEmbed should be an nn.Module/);
  });
});
