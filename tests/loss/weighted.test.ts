/** Sums of losses: each term does in a sum what it does alone. */
import { fileURLToPath } from 'node:url';
import { TensorProto_DataType as ElementType } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  optim,
  TeacherStudentLoss,
  Trainer,
} from '../../src/index.js';
import { Generator } from '../../src/random/index.js';
import { input, modelBytes } from '../onnx/build.js';

const vggPath = fileURLToPath(new URL('../../fixtures/data/models/vgg.torchscript.onnx', import.meta.url));
const generator = new Generator(3);
const random = (dims: number[], scale = 1) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => generator.uniform() * scale),
});
const SHAPE = [1, 3, 32, 32];
const perceptual = async (options = {}) =>
  new GlobalPercLoss(
    await loadModel(vggPath),
    new GlobalPercConfig({ modulesToHook: ['Conv2d'], printData: false, ...options }),
  );

describe('a sum of losses', () => {
  it('is the weighted sum of values and gradients, with the hooks of its terms', async () => {
    await using l1 = new nn.L1Loss();
    await using deep = await perceptual();
    await using sum = new nn.WeightedLoss([
      [l1, 2],
      [deep, 0.5],
    ]);
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    const [a, b, both] = [
      await l1.valueAndGrad(pred, target),
      await deep.valueAndGrad(pred, target),
      await sum.valueAndGrad(pred, target),
    ];
    expect(both.value).toBeCloseTo(2 * a.value + 0.5 * b.value, 4);
    const off = both.grad.data.map((x, i) => x - 2 * (a.grad.data[i] ?? 0) - 0.5 * (b.grad.data[i] ?? 0));
    expect(Math.hypot(...off) / Math.hypot(...both.grad.data)).toBeLessThan(1e-5);
    const [first, ...rest] = both.hooks;
    expect(first).toMatchObject({ index: 0, path: '', class: 'L1Loss', weight: 2 });
    expect(first?.loss).toBeCloseTo(a.value, 6);
    expect(rest.map(({ index, path, weight }) => ({ index, path, weight }))).toEqual(
      b.hooks.map(({ path, weight }, i) => ({ index: i + 1, path, weight: weight * 0.5 })),
    );
    expect(both.hooks.reduce((total, hook) => total + hook.weight * hook.loss, 0)).toBeCloseTo(both.value, 4);
    await using encoded = await sum.encode(target);
    expect(await sum.evaluate(pred, encoded)).toBeCloseTo(both.value, 4);
  });

  it('compares classes as CrossEntropyLoss alone does', async () => {
    const [logits, classes] = [random([4, 5]), { dims: [4], data: Float32Array.of(0, 3, 1, 4) }];
    await using alone = new nn.CrossEntropyLoss();
    await using sum = new nn.WeightedLoss([[new nn.CrossEntropyLoss(), 1]]);
    expect(await sum.evaluate(logits, classes)).toBeCloseTo(await alone.evaluate(logits, classes), 6);
    await using encoded = await sum.encode(classes);
    expect(await sum.evaluate(logits, encoded)).toBeCloseTo(await alone.evaluate(logits, classes), 6);
  });

  it('nests, and may hold one loss twice', async () => {
    const l1 = new nn.L1Loss();
    await using sum = new nn.WeightedLoss([
      [new nn.WeightedLoss([[l1, 2]]), 3],
      [l1, 1],
    ]);
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    expect(await sum.evaluate(pred, target)).toBeCloseTo(7 * (await l1.evaluate(pred, target)), 4);
    await l1.dispose();
  });

  it('prepares its terms: dynamicNormalization is measured', async () => {
    await using alone = await perceptual({ dynamicNormalization: true });
    const term = await perceptual({ dynamicNormalization: true });
    await using sum = new nn.WeightedLoss([[term, 1]]);
    const [pred, target] = [random(SHAPE), random(SHAPE)];
    expect(await sum.evaluate(pred, target)).toBeCloseTo(await alone.evaluate(pred, target), 3);
    expect(term.weights).toEqual(alone.weights);
  });

  it('inspects what its terms inspect', async () => {
    const lines: string[] = [];
    const term = await perceptual({ logger: (line: string) => lines.push(line) });
    await using sum = new nn.WeightedLoss([[term, 1]]);
    await sum.evaluate(random(SHAPE, 255), random(SHAPE, 255));
    expect(lines).toEqual([expect.stringMatching(/pred holds values from .* to 25.* inputRange: \[0, 255\]/)]);
  });

  it('takes an open input of another shape with every call', async () => {
    await using loss = await openLoss(['n', 1, 1]);
    const image = { dims: [1, 2, 1, 1], data: [1, 1] };
    const dark = { dims: [1, 2, 1, 1], data: [0, 0] };
    const scaled = (...factors: number[]): Promise<number> =>
      loss.evaluate(image, dark, { inputs: { scale: { dims: [factors.length, 1, 1], data: factors } } });
    expect([await scaled(2), await scaled(2, 6), await scaled(3)]).toEqual([2, 4, 3]);
  });

  it('takes open inputs as they were when it was called', async () => {
    await using loss = await openLoss();
    const image = random([1, 2, 2, 2]);
    const dark = { dims: [1, 2, 2, 2], data: new Float32Array(8) };
    const scale = { dims: [1], data: Float32Array.of(1) };
    const expected = await loss.evaluate(image, dark, { inputs: { scale } });
    const pending = loss.evaluate(image, dark, { inputs: { scale } });
    scale.data[0] = 5;
    expect(await pending).toBe(expected);
    expect(await loss.evaluate(image, dark, { inputs: { scale } })).toBeCloseTo(5 * expected, 5);
  });

  it('asks for the open inputs of its terms, and hands them on', async () => {
    const term = await openLoss();
    await using sum = new nn.WeightedLoss([[term, 2]]);
    const [pred, target] = [random([1, 2, 2, 2]), random([1, 2, 2, 2])];
    await expect(sum.evaluate(pred, target)).rejects.toThrow(/input 'scale' \(float32 \[1\]\) has no value: give it/);
    const inputs = { scale: 3 };
    expect(await sum.evaluate(pred, target, { inputs })).toBeCloseTo(
      2 * (await term.evaluate(pred, target, { inputs })),
      5,
    );
    await term.dispose();
  });

  it.each([
    ['shapes', () => openLoss([2, 1, 1]), 'of float32[1] and of float32[2,1,1]'],
    ['element types', () => openLoss([1], ElementType.INT64), 'of float32[1] and of int64[1]'],
  ])('refuses two teachers whose open inputs have one name and two %s', async (_what, other, types) => {
    const [one, two] = [await openLoss(), await other()];
    await using sum = new nn.WeightedLoss([
      [one, 1],
      [two, 1],
    ]);
    const image = random([1, 2, 2, 2]);
    await expect(sum.evaluate(image, image, { inputs: { scale: 1 } })).rejects.toThrow(
      `two models have an input 'scale', ${types}`,
    );
    await Promise.all([one.dispose(), two.dispose()]);
  });

  it('says that a term was disposed, and leaves its terms as they are when it is', async () => {
    const l1 = new nn.L1Loss();
    const sum = new nn.WeightedLoss([[l1, 1]]);
    await sum.dispose();
    expect(await l1.evaluate(random(SHAPE), random(SHAPE))).toBeGreaterThan(0);
    await l1.dispose();
    await using other = new nn.WeightedLoss([[l1, 1]]);
    await expect(other.evaluate(random(SHAPE), random(SHAPE))).rejects.toThrow('L1Loss was disposed');
  });

  it.each([
    [[], /at least one \[loss, weight\]/],
    [undefined, /at least one \[loss, weight\]/],
    [[[new nn.L1Loss(), Number.NaN]], /a weight should be a finite number, got NaN/],
    [[[1, new nn.L1Loss()]], /a term should be \[loss, weight\], got number for the loss/],
    [[new nn.L1Loss()], /a term should be \[loss, weight\]/],
  ])('refuses %o', (terms, message) => {
    expect(() => new nn.WeightedLoss(terms as never)).toThrow(message);
  });
});

/** relu(image · scale); scale is open. */
async function openLoss(scale: readonly (number | string)[] = [1], type = ElementType.FLOAT): Promise<GlobalPercLoss> {
  const model = await loadModel(
    modelBytes({
      inputs: [input('image', ['batch', 2, 'height', 'width']), input('scale', scale, type)],
      nodes: [
        ['Cast', ['scale'], ['factor'], { to: ElementType.FLOAT }],
        ['Mul', ['image', 'factor'], ['scaled']],
        ['Relu', ['scaled'], ['y']],
      ],
      outputs: ['y'],
    }),
    { input: 'image' },
  );
  const lossFunc = new NormalizedTensorLoss('l1', 'mean', 'none');
  return new GlobalPercLoss(model, new GlobalPercConfig({ modulesToHook: ['ReLU'], lossFunc, printData: false }));
}

describe('losses in a Trainer', () => {
  const student = (): nn.Conv2d => new nn.Conv2d(2, 2, 1);
  const [image, target] = [random([1, 2, 2, 2]), random([1, 2, 2, 2])];

  it('take the open inputs of teachers with every step', async () => {
    const loss = await openLoss();
    await using trainer = await Trainer.create(
      student(),
      new nn.WeightedLoss([
        [loss, 1],
        [new nn.L1Loss(), 1],
      ]),
      new optim.SGD({ lr: 0 }),
      { batch: [1, 2, 2, 2] },
    );
    await expect(trainer.step(image, target)).rejects.toThrow(/input 'scale' .* has no value/);
    const hooksAt = async (scale: number) => (await trainer.step(image, target, { inputs: { scale } })).hooks[0]?.loss;
    expect(await hooksAt(0)).toBe(0);
    const [one, two] = [await hooksAt(1), await hooksAt(2)];
    expect(two).toBeCloseTo(2 * (one as number), 5);
    const output = await trainer.predict(image);
    expect(one).toBeCloseTo(await loss.evaluate(output, target, { inputs: { scale: 1 } }), 5);
    expect((await trainer.evaluate(image, target, { inputs: { scale: 1 } })).hooks[0]?.loss).toBeCloseTo(
      one as number,
      5,
    );
  });

  it('take a target of the type that the first term of a sum takes', async () => {
    const [logits, classes] = [new nn.L1Loss(), new nn.CrossEntropyLoss()];
    const linear = (): nn.Linear => new nn.Linear(2, 3);
    const options = { batch: [1, 2] };
    const input = random([1, 2]);
    const both = [logits, classes] as const;
    const sum = (first: 0 | 1): nn.WeightedLoss =>
      new nn.WeightedLoss([
        [both[first], 1],
        [both[1 - first] as nn.CrossEntropyLoss, 1],
      ]);
    await using trainer = await Trainer.create(linear(), sum(0), new optim.SGD({ lr: 0 }), options);
    const output = await trainer.predict(input);
    const probabilities = { dims: [1, 3], data: [0.2, 0.3, 0.5] };
    const { loss } = await trainer.step(input, probabilities);
    const alone = [await logits.evaluate(output, probabilities), await classes.evaluate(output, probabilities)];
    expect(loss).toBeCloseTo((alone[0] as number) + (alone[1] as number), 5);
    await expect(Trainer.create(linear(), sum(1), new optim.SGD({ lr: 0 }), options)).rejects.toThrow(
      /target \[1\]: they must be the same/,
    );
    await Promise.all(both.map((part) => part.dispose()));
  });

  it('are refused once they are disposed', async () => {
    const loss = new nn.L1Loss();
    await loss.dispose();
    const make = Trainer.create(student(), loss, new optim.SGD({ lr: 1 }), { batch: [1, 2, 2, 2] });
    await expect(make).rejects.toThrow('L1Loss was disposed');
  });

  it('TeacherStudentLoss says that it needs one', async () => {
    const net = new nn.Sequential(new nn.Conv2d(3, 4, 1));
    await using loss = new TeacherStudentLoss(
      await loadModel(vggPath),
      net,
      new GlobalPercConfig({ modulesToHook: [/^features\.0$/], printData: false }),
    );
    await using sum = new nn.WeightedLoss([[loss, 1]]);
    for (const some of [loss, sum]) {
      await expect(some.evaluate(random(SHAPE), random(SHAPE))).rejects.toThrow(
        'TeacherStudentLoss compares activations of a student: use it in a Trainer',
      );
    }
  });
});
