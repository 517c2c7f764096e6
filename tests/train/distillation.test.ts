/** A student that reads one thing, drawn to a teacher that reads another: latents and their photographs. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { GlobalPercConfig, MSELoss, NormalizedTensorLoss, TeacherStudentLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d, Module, manualSeed, ReLU, Sequential, Upsample } from '../../src/nn/index.js';
import { AdamW, SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Trainer, toOnnx } from '../../src/train/index.js';

const tensor = (seed: number, dims: readonly number[]) => {
  const generator = new Generator(seed);
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).map(() => generator.uniform());
  return { dims: [...dims], data };
};

class Net extends Module {
  readonly stem = new Conv2d(3, 6, 2, { stride: 2 });
  readonly body = new Sequential(new Conv2d(6, 8, 3, { padding: 1 }), new ReLU(), new Conv2d(8, 8, 1), new ReLU());
  override forward(x: Tensor): Tensor {
    return this.body(this.stem(x));
  }
}

const net = (): Net => {
  manualSeed(1);
  return new Net();
};

const PHOTO = [2, 3, 16, 16];
const LATENTS = [2, 4, 4, 4];
const target = { dtype: 'float32', shape: PHOTO } as const;

/** The same network that reads latents. */
const latentNet = (): Net => {
  manualSeed(2);
  return net().replace('stem', new Sequential(new Conv2d(4, 6, 3, { padding: 1 }), new Upsample({ scaleFactor: 2 })));
};

const teacherOf = async () => loadModel(await toOnnx(net(), { input: PHOTO }));
const config = new GlobalPercConfig({ modulesToHook: [ReLU], printData: false });

describe('a teacher that sees the target', () => {
  it('compares its activations of the photograph with those of the latents', async () => {
    const teacher = await teacherOf();
    const student = net();
    // A student that sees the photograph itself gives the same activations; one that sees another does not.
    const loss = new TeacherStudentLoss(teacher, student, config, { teacherInput: 'target', lossFunc: new MSELoss() });
    await using trainer = await Trainer.create(student, loss, new SGD({ lr: 0 }), { batch: PHOTO, target });
    const photo = tensor(1, PHOTO);
    expect((await trainer.step(photo, photo)).loss).toBeCloseTo(0, 10);
    expect((await trainer.step(tensor(2, PHOTO), photo)).loss).toBeGreaterThan(1e-4);
    await expect(trainer.step(photo)).rejects.toThrow(/the loss compares with a target \[2,3,16,16\]/);
    await loss.dispose();
  });

  it('teaches a head, and nothing else', async () => {
    const student = latentNet().freeze().trainable(/^stem/);
    const loss = new TeacherStudentLoss(await teacherOf(), student, config, { teacherInput: 'target' });
    const before = student.stateDict();
    await using trainer = await Trainer.create(student, loss, new AdamW({ lr: 1e-2 }), { batch: LATENTS, target });
    const photo = tensor(1, PHOTO);
    const latents = tensor(3, LATENTS);
    const losses: number[] = [];
    for (let i = 0; i < 30; i += 1) losses.push((await trainer.step(latents, photo)).loss);
    expect(losses.at(-1)).toBeLessThan(0.6 * (losses[0] as number));
    await trainer.synchronize();
    const after = student.stateDict();
    const changed = Object.keys(after).filter((key) =>
      after[key]?.data.some((value, i) => value !== before[key]?.data[i]),
    );
    expect(changed).toEqual(['stem.0.weight', 'stem.0.bias']);
    await loss.dispose();
  });

  it('has a type that the trainer must be told', async () => {
    const student = latentNet();
    const loss = new TeacherStudentLoss(await teacherOf(), student, config, { teacherInput: 'target' });
    await expect(Trainer.create(student, loss, new SGD(), { batch: LATENTS })).rejects.toThrow(
      /the teacher sees the target, whose type the Trainer is told: \{ target: /,
    );
    await loss.dispose();
  });
});

describe('pairs and distances', () => {
  it('are those that are told', async () => {
    const teacher = await teacherOf();
    const student = latentNet();
    const distances: string[] = [];
    const loss = new TeacherStudentLoss(teacher, student, config, {
      teacherInput: 'target',
      pairs: [
        ['body', 'body'],
        ['body.0', 'body.2'],
      ],
      lossFunc: ({ path }) => {
        distances.push(path);
        return path === 'body' ? new MSELoss() : new NormalizedTensorLoss('l1', 'mean', 'none');
      },
    });
    await using trainer = await Trainer.create(student, loss, new SGD(), { batch: LATENTS, target });
    const { hooks } = await trainer.step(tensor(1, LATENTS), tensor(2, PHOTO));
    expect(hooks.map(({ path, shape }) => [path, ...shape])).toEqual([
      ['body', 2, 8, 8, 8],
      ['body.0', 2, 8, 8, 8],
    ]);
    expect(distances).toEqual(['body', 'body.0']);
    await loss.dispose();
  });

  it.each([
    [
      'a path that the student does not call',
      [['bodi.0', 'body.0']],
      /'bodi.0' is called 0 times in the student \(did you mean 'body.0'\?\), 'body.0' 1 times in the teacher/,
    ],
    ['a path that the teacher does not call', [['body.0', 'bodi.0']], /no module matched/],
  ])('%s is refused', async (_what, pairs, message) => {
    const student = latentNet();
    const create = async () => {
      const loss = new TeacherStudentLoss(await teacherOf(), student, config, {
        pairs: pairs as [string, string][],
        teacherInput: 'target',
      });
      return Trainer.create(student, loss, new SGD(), { batch: LATENTS, target });
    };
    await expect(create()).rejects.toThrow(message);
  });

  it('pairs and studentModulesToHook at once are refused', async () => {
    const teacher = await teacherOf();
    expect(
      () => new TeacherStudentLoss(teacher, net(), config, { pairs: [['body', 'body']], studentModulesToHook: [ReLU] }),
    ).toThrow(/either pairs or studentModulesToHook/);
  });
});
