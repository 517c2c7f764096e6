/** What a Trainer is told, and what it is handed: wrong values are named. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError, type Tensor } from '../../src/graph/index.js';
import { CrossEntropyLoss, L1Loss } from '../../src/loss/index.js';
import { Embedding, Linear, Module } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer, type TrainerOptions } from '../../src/train/index.js';

const wrong = (value: unknown): never => value as never;
const create = (options: unknown): Promise<Trainer> =>
  Trainer.create(new Linear(2, 2), new L1Loss(), new SGD(), wrong(options));

describe('options', () => {
  const batch = [1, 2];
  it.each([
    [undefined, 'Trainer should be an object of options, got undefined'],
    [{}, 'Trainer: tell either batch, the shape of the one input'],
    [{ batch: 4 }, 'Trainer: batch should be a shape such as [8, 3, 128, 128], got 4'],
    [{ batch: [1, 0] }, 'Trainer: batch should be a shape such as [8, 3, 128, 128], got [1, 0]'],
    [{ batch, accumulate: 0 }, 'Trainer: accumulate should be an integer from 1 on, got 0'],
    [{ batch, accumulate: 1.5 }, 'Trainer: accumulate should be an integer from 1 on, got 1.5'],
    [{ batch, clipGradNorm: 0 }, 'Trainer: clipGradNorm should be a number above 0, got 0'],
    [{ batch, clipGradValue: '1' }, 'Trainer: clipGradValue should be a number above 0, got "1"'],
    [{ batch, ema: 1 }, 'Trainer: ema should be a number from 0 on and below 1, got 1'],
    [{ batch, ema: -0.1 }, 'Trainer: ema should be a number from 0 on and below 1, got -0.1'],
    [{ batch, seed: 0.5 }, 'Trainer: seed should be an integer, got 0.5'],
    [{ batch, dtype: 'float16' }, 'Trainer: dtype should be one of float32, int64, got "float16"'],
    [{ batch, target: [1, 2] }, 'Trainer: target should be an object of options, got [1, 2]'],
    [{ batch, target: { shape: [1, 2] } }, "Trainer: target: 'dtype' is missing"],
    [{ batch, session: 4 }, 'Trainer: session should be an object of options of ONNX Runtime, got 4'],
    [{ batch, session: { logSeverityLevel: 9 } }, 'session: logSeverityLevel should be 0 to 4, got 9'],
    [{ batch, signal: {} }, 'Trainer: signal should be the signal of an AbortController, got {}'],
    [{ batch, onProgress: 1 }, 'Trainer: onProgress should be a function, got 1'],
  ])('%j', async (options, message) => {
    await expect(create(options)).rejects.toThrow(GlobalPercError);
    await expect(create(options)).rejects.toThrow(message);
  });

  it.each([
    [() => Trainer.create(wrong({}), new L1Loss(), new SGD(), { batch }), /student should be an nn.Module/],
    [() => Trainer.create(new Linear(2, 2), wrong(null), new SGD(), { batch }), /loss should be a loss such as/],
    [() => Trainer.create(new Linear(2, 2), wrong(L1Loss), new SGD(), { batch }), /loss should be a loss such as/],
    [
      () => Trainer.create(new Linear(2, 2), new L1Loss(), wrong({ lr: 1 }), { batch }),
      /optimizer should be an optimiser/,
    ],
  ])('arguments: %#', async (task, message) => {
    await expect(task()).rejects.toThrow(message);
  });
});

describe('calls', () => {
  it('tensors and folders that are none', async () => {
    await using trainer = await create({ batch: [1, 2] });
    const good = { dims: [1, 2], data: [1, 2] };
    await expect(trainer.step(wrong(undefined), good)).rejects.toThrow(/input should be a tensor \{ data, dims \}/);
    await expect(trainer.evaluate(good, wrong(null))).rejects.toThrow(/target should be a tensor .* got null/);
    await expect(trainer.step(good, good, wrong(null))).rejects.toThrow(/should be an object of options, got null/);
    await expect(trainer.predict(good, wrong({ ema: 1 }))).rejects.toThrow(/ema should be true or false, got 1/);
    await expect(trainer.predict(good, { ema: true })).rejects.toThrow(/create the Trainer with ema/);
    await expect(trainer.save(wrong(undefined))).rejects.toThrow(
      'Trainer.save: folder should be a string, got undefined',
    );
    await expect(trainer.load(wrong(3))).rejects.toThrow('Trainer.load: folder should be a string, got 3');
  });

  it('class indices are integers, and none is rounded', async () => {
    class Words extends Module {
      readonly table = new Embedding(4, 3);
      override forward(x: Tensor): Tensor {
        return this.table(x);
      }
    }
    const options: TrainerOptions = { batch: [2], dtype: 'int64' };
    await using trainer = await Trainer.create(new Words(), new CrossEntropyLoss(), new SGD(), options);
    const target = { dims: [2], data: BigInt64Array.from([0n, 2n]) };
    await expect(trainer.step({ dims: [2], data: [0, 1.5] }, target)).rejects.toThrow(
      'input should hold integers, it holds 1.5',
    );
    const whole = (await trainer.evaluate({ dims: [2], data: [0, 1] }, target)).loss;
    const big = { dims: [2], data: BigInt64Array.from([0n, 1n]) };
    expect((await trainer.evaluate(big, target)).loss).toBe(whole);
  });
});
