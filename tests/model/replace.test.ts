/** A module of `nn` in the place of a call: of a model of `nn`, of an imported student, of a frozen teacher. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss, MSELoss, TeacherStudentLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { BatchNorm2d, Conv2d, Linear, Module, manualSeed, ReLU, Sequential, Upsample } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';

const tensor = (seed: number, dims: readonly number[]) => {
  const generator = new Generator(seed);
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).map(() => generator.uniform());
  return { dims: [...dims], data };
};

class Net extends Module {
  readonly stem = new Conv2d(3, 6, 3, { padding: 1 });
  readonly body = new Sequential(new Conv2d(6, 6, 1), new ReLU(), new Conv2d(6, 6, 1));
  readonly head = new Linear(6, 4);
  override forward(x: Tensor): Tensor {
    const features = this.stem(x);
    return this.head(features.add(this.body(features)).mean([2, 3]));
  }
}

const net = (seed = 1): Net => {
  manualSeed(seed);
  return new Net();
};

/** Reads latents of half the size. */
const latentStem = (): Sequential => {
  manualSeed(7);
  return new Sequential(new Upsample({ scaleFactor: 2 }), new Conv2d(4, 6, 3, { padding: 1 }));
};

const IMAGE = [2, 3, 8, 8];
const LATENTS = [2, 4, 4, 4];

/** The model of `nn` and what was imported of its file, with the same stem put into both. */
async function both() {
  const own = net();
  const bytes = await toOnnx(own, { input: IMAGE });
  own.replace('stem', latentStem());
  const imported = (await loadModel(bytes, { trainable: true })).replace('stem', latentStem());
  return { own, imported, bytes };
}

describe('a replaced module', () => {
  it('takes its place in values, steps, names and hooks, in a model of nn and an imported one alike', async () => {
    const { own, imported } = await both();
    const create = (student: Net | typeof imported) =>
      Trainer.create(student, new MSELoss(), new SGD({ lr: 0.1 }), { batch: LATENTS });
    await using a = await create(own);
    await using b = await create(imported);
    const steps = async (trainer: Trainer): Promise<number[]> => {
      const losses: number[] = [];
      for (let i = 0; i < 3; i += 1) losses.push((await trainer.step(tensor(i, LATENTS), tensor(9, [2, 4]))).loss);
      return losses;
    };
    const [expected, losses] = [await steps(a), await steps(b)];
    losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(expected[i] as number, 5);
    });
    const names = Array.from(imported.namedParameters(), ([name]) => name);
    expect(names).toContain('stem.1.weight');
    expect(names).not.toContain('stem.weight');
    expect(names).toContain('body.0.weight');
    await a.synchronize();
    await b.synchronize();
    const [trained, theirs] = [own.stateDict(), imported.stateDict()];
    const [kernel, other] = [trained['stem.1.weight'], theirs['stem.1.weight']];
    kernel?.data.forEach((value, i) => {
      expect(Number(other?.data[i])).toBeCloseTo(Number(value), 5);
    });
    const exported = await loadModel(await toOnnx(imported), { trainable: true });
    await using c = await create(exported);
    const again = (await b.predict(tensor(3, LATENTS))).data;
    (await c.predict(tensor(3, LATENTS))).data.forEach((value, i) => {
      expect(value).toBeCloseTo(again[i] as number, 5);
    });
    expect(exported.model.calls.map(({ path }) => path)).toContain('stem.1');
    expect(exported.model.accepts).toContain('[batch, 4, ');
  });

  it('is hooked in execution order with the calls around it', async () => {
    const { imported, bytes } = await both();
    const teacher = await loadModel(bytes);
    const config = new GlobalPercConfig({ modulesToHook: [Conv2d], printData: false });
    const loss = new TeacherStudentLoss(teacher, imported, config);
    // The teacher's stem takes images, so its hooks are those of a student that reads what the teacher does.
    const same = (await loadModel(bytes, { trainable: true })).replace(
      'stem',
      new Sequential(new Conv2d(3, 6, 3, { padding: 1 })),
    );
    const own = new TeacherStudentLoss(teacher, same, config);
    await using trainer = await Trainer.create(same, own, new SGD(), { batch: IMAGE });
    const { hooks } = await trainer.step(tensor(1, IMAGE));
    expect(hooks.map(({ path }) => path)).toEqual(['stem.0', 'body.0', 'body.2']);
    await loss.dispose();
    await own.dispose();
  });

  it('is frozen and in evaluation mode in a teacher, which stays as it was', async () => {
    const teacher = await loadModel(await toOnnx(net(), { input: IMAGE }));
    const stem = new Sequential(latentStem(), new BatchNorm2d(6));
    const latent = teacher.replace('stem', stem);
    expect(latent.calls.map(({ path }) => path)).toContain('stem');
    expect(latent.calls.find(({ path }) => path === 'stem')?.class).toBe('Sequential');
    const config = new GlobalPercConfig({
      modulesToHook: ['Linear', 'ReLU'],
      lossFunc: new MSELoss(),
      printData: false,
    });
    const loss = new GlobalPercLoss(latent, config);
    // The same in nn: its file is a teacher of latents.
    const own = net().replace('stem', stem);
    const reference = new GlobalPercLoss(await loadModel(await toOnnx(own, { input: LATENTS })), config);
    const pair = [tensor(1, LATENTS), tensor(2, LATENTS)] as const;
    const [found, expected] = [await loss.valueAndGrad(...pair), await reference.valueAndGrad(...pair)];
    expect(found.value).toBeCloseTo(expected.value, 6);
    expect(found.hooks.map(({ path }) => path)).toEqual(expected.hooks.map(({ path }) => path));
    found.grad.data.forEach((value, i) => {
      expect(value).toBeCloseTo(expected.grad.data[i] as number, 6);
    });
    const image = new GlobalPercLoss(teacher, config);
    expect(await image.evaluate(tensor(1, IMAGE), tensor(2, IMAGE))).toBeGreaterThan(0);
    await Promise.all([loss, reference, image].map((each) => each.dispose()));
  });

  it('may stand for a call in the middle, and several may be replaced, one inside another', async () => {
    const model = (await loadModel(await toOnnx(net(), { input: IMAGE }), { trainable: true }))
      .replace('body.0', new Conv2d(6, 6, 3, { padding: 1 }))
      .replace('body', new Sequential(new Conv2d(6, 6, 1), new ReLU()))
      .replace('head', new Linear(6, 4));
    const names = Array.from(model.namedParameters(), ([name]) => name);
    expect(names).toEqual(['stem.weight', 'stem.bias', 'body.0.weight', 'body.0.bias', 'head.weight', 'head.bias']);
    await using trainer = await Trainer.create(model, new L1Loss(), new SGD(), { batch: IMAGE });
    await trainer.step(tensor(1, IMAGE), tensor(2, [2, 4]));
    expect(() => model.toOnnx()).toThrow(/'body', 'head' was replaced, so the file is written for one shape/);
  });
});

describe('what cannot take a place is refused', () => {
  it.each([
    ['a path that is not called', 'stemm', new Conv2d(3, 6, 1), /no module 'stemm'.*did you mean 'stem'\?/],
    ['what is no module', 'stem', 4, /replace: module should be an nn.Module of one output/],
  ])('%s', async (_what, path, module, message) => {
    const bytes = await toOnnx(net(), { input: IMAGE });
    const models = [net(), await loadModel(bytes), await loadModel(bytes, { trainable: true })];
    for (const model of models) expect(() => model.replace(path, module as never)).toThrow(message);
  });

  it('other features than the layer has', () => {
    expect(() => net().replace('stem', new Conv2d(4, 5, 1))).toThrow(
      "replace: 'stem' gives 6 features, the module in its place 5",
    );
  });

  it.each([
    [
      'other features',
      'body.2',
      new Conv2d(6, 1, 1),
      /'body.2' makes \[2,1,8,8\] of \[2,6,8,8\], the former made \[2,6,8,8\]/,
    ],
    ['another input', 'stem', new Conv2d(4, 6, 1), /'stem'|4 channels|channels/],
    [
      'an output that what follows does not take',
      'stem',
      new Conv2d(3, 5, 1),
      /'stem' was replaced and makes \[2,5,8,8\] of \[2,3,8,8\]/,
    ],
  ])('%s, when shapes are known', async (_what, path, module, message) => {
    const bytes = await toOnnx(net(), { input: IMAGE });
    const student = (await loadModel(bytes, { trainable: true })).replace(path, module);
    await expect(Trainer.create(student, new L1Loss(), new SGD(), { batch: IMAGE })).rejects.toThrow(message);
    const loss = new GlobalPercLoss(
      (await loadModel(bytes)).replace(path, module),
      new GlobalPercConfig({ printData: false }),
    );
    await expect(loss.evaluate(tensor(1, IMAGE), tensor(2, IMAGE))).rejects.toThrow(message);
    await loss.dispose();
  });
});
