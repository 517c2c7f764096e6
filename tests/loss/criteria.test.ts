/** Pixel and classification losses against stored PyTorch results. */
import { describe, expect, it } from 'vitest';
import { numbersOf } from '../../src/graph/index.js';
import * as criteria from '../../src/loss/criteria.js';
import type { Loss } from '../../src/loss/index.js';
import * as nn from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { expectClose } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

interface Case {
  name: string;
  loss: { class: string; options: Record<string, unknown> };
  input: string;
  target: string;
  output: string;
  gradient: string;
}

const fixture = readFixture<Case>('layers/criteria.safetensors');
type LossClass = new (options: object) => Loss;
/** Every loss of the `nn` namespace that is not made of others. */
const CLASSES = Object.fromEntries(
  Object.entries(criteria).filter(([name]) => !['PixelLoss', 'WeightedLoss', 'MappedLoss', 'TiledLoss'].includes(name)),
) as unknown as Readonly<Record<string, LossClass>>;
/** A nested list, as the fixtures hold tensors among options. */
const tensorOf = (value: unknown): unknown => {
  if (!Array.isArray(value) || !Array.isArray(value[0])) return value;
  const dims: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) dims.push(level.length);
  return { dims, data: value.flat(8) };
};

describe('criteria against PyTorch', () => {
  it.each(Object.keys(CLASSES))('%s has cases', (name) => {
    expect(fixture.cases.filter(({ loss }) => loss.class === name).length).toBeGreaterThan(0);
  });

  it.each(fixture.cases.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const Class = CLASSES[test.loss.class] as LossClass;
    await using loss = new Class(
      Object.fromEntries(Object.entries(test.loss.options).map(([name, value]) => [name, tensorOf(value)])),
    );
    const [input, target] = [hostOf(fixture.tensor(test.input)), hostOf(fixture.tensor(test.target))];
    const { value, grad } = await loss.valueAndGrad(input, target);
    expectClose([value], fixture.tensor(test.output), 1e-5, 'loss');
    expectClose(grad.data as Float32Array, fixture.tensor(test.gradient), 1e-4, 'gradient');
    expect(numbersOf(fixture.tensor(test.gradient)).some((entry) => entry !== 0)).toBe(true);
  });
});

describe('classes that an output does not have', () => {
  const logits = { dims: [1, 3, 1, 2], data: [0.1, 0.4, 0.7, 0.2, 0.5, 0.9] };
  const classes = (...data: number[]) => ({ dims: [1, 1, 2], data });
  const alone = () => new criteria.CrossEntropyLoss({ ignoreIndex: 255 });
  const term = () => new criteria.WeightedLoss([[alone(), 1]]);

  it.each([
    ['beyond the last', 3],
    ['before the first', -1],
    ['between two', 1.5],
    ["another dataset's mark", -100],
  ])('%s are refused', async (_what, wrong) => {
    for (const make of [alone, term]) {
      await using loss = make();
      await expect(loss.evaluate(logits, classes(0, wrong))).rejects.toThrow(
        `CrossEntropyLoss: the target holds class ${wrong}, the output [1,3,1,2] has the classes 0 to 2`,
      );
    }
  });

  it('but for the ignored one', async () => {
    await using loss = alone();
    const value = Math.log(Math.exp(0.1) + Math.exp(0.7) + Math.exp(0.5)) - 0.5;
    expect(await loss.evaluate(logits, classes(2, 255))).toBeCloseTo(value, 6);
  });

  it('nor by a trainer', async () => {
    await using loss = term();
    const { Conv2d, Sequential } = nn;
    const trainer = await Trainer.create(new Sequential(new Conv2d(3, 3, 1)), loss, new SGD({ lr: 0.1 }), {
      batch: [1, 3, 1, 2],
    });
    await expect(trainer.step(logits, classes(0, 3))).rejects.toThrow(/the target holds class 3/);
    await trainer.dispose();
  });
});

describe('WeightedLoss', () => {
  const pred = { dims: [1, 1, 2, 2], data: [0.1, 0.4, 0.7, 0.2] };
  const target = { dims: [1, 1, 2, 2], data: [0.3, 0.3, 0.1, 0.9] };

  it('is the weighted sum of its terms, in value and gradient', async () => {
    const [l1, mse] = [new criteria.L1Loss(), new criteria.MSELoss()];
    await using both = new criteria.WeightedLoss([
      [l1, 0.5],
      [mse, 2],
    ]);
    const [a, b, c] = await Promise.all([l1, mse, both].map((loss) => loss.valueAndGrad(pred, target)));
    expect(c?.value).toBeCloseTo(0.5 * (a?.value as number) + 2 * (b?.value as number), 6);
    expectClose(
      c?.grad.data as Float32Array,
      Array.from(a?.grad.data as Float32Array, (entry, i) => 0.5 * entry + 2 * Number(b?.grad.data[i])),
      1e-6,
      'gradient',
    );
    expect(c?.hooks.map(({ class: name, weight }) => [name, weight])).toEqual([
      ['L1Loss', 0.5],
      ['MSELoss', 2],
    ]);
    await using encoded = await both.encode(target);
    expect(await both.evaluate(pred, encoded)).toBeCloseTo(c?.value as number, 6);
  });

  it('needs terms with finite weights', () => {
    expect(() => new criteria.WeightedLoss([])).toThrow(/at least one/);
    expect(() => new criteria.WeightedLoss([[new criteria.L1Loss(), Number.NaN]])).toThrow(/finite/);
  });
});
