/** Training under masks: what they leave out is not trained. */
import { describe, expect, it } from 'vitest';
import { L1Loss, MSELoss } from '../../src/loss/index.js';
import { WeightedLoss } from '../../src/loss/weighted.js';
import { Conv2d, manualSeed } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Generator } from '../../src/random/index.js';
import { Trainer } from '../../src/train/index.js';

const BATCH = [2, 3, 6, 8];
const generator = new Generator(3);
const image = (dims: readonly number[] = BATCH) => ({
  dims: [...dims],
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()),
});
const pixelwise = () => {
  manualSeed(2);
  return new Conv2d(3, 3, 1);
};
const made = (mask: boolean) =>
  Trainer.create(
    pixelwise(),
    new WeightedLoss([
      [new L1Loss(), 1],
      [new MSELoss(), 0.5],
    ]),
    new SGD({ lr: 0.1 }),
    { batch: BATCH, mask },
  );

describe('a trainer made for masks', () => {
  it('takes the step that the marked pixels alone give', async () => {
    await using trainer = await made(true);
    const [input, target] = [image(), image()];
    const mask = { dims: [2, 1, 6, 8], data: Float32Array.from({ length: 96 }, (_, i) => (i % 48 < 16 ? 1 : 0)) };
    // What is not marked is other noise; it changes nothing.
    const noise = image();
    const elsewhere = {
      ...target,
      data: target.data.map((value, i) => (i % 48 < 16 ? value : (noise.data[i] as number))),
    };
    const { loss, samples } = await trainer.evaluate(input, target, { mask });
    expect((await trainer.evaluate(input, elsewhere, { mask })).loss).toBe(loss);
    expect(((samples?.[0] as number) + (samples?.[1] as number)) / 2).toBeCloseTo(loss, 6);
    expect((await trainer.step(input, elsewhere, { mask })).loss).toBeCloseTo(loss, 6);
    await using plain = await Trainer.create(
      pixelwise(),
      new WeightedLoss([
        [new L1Loss(), 1],
        [new MSELoss(), 0.5],
      ]),
      new SGD({ lr: 0.1 }),
      { batch: [2, 3, 2, 8] },
    );
    const marked = ({ data }: typeof input) => ({ dims: [2, 3, 2, 8], data: data.filter((_, i) => i % 48 < 16) });
    await plain.step(marked(input), marked(target));
    await Promise.all([trainer.synchronize(), plain.synchronize()]);
    const [masked, cropped] = [trainer.student.stateDict(), plain.student.stateDict()];
    for (const [name, { data }] of Object.entries(masked)) {
      const other = cropped[name]?.data as Float32Array;
      expect(
        Math.max(...Array.from(data as Float32Array, (value, i) => Math.abs(value - (other[i] as number)))),
      ).toBeLessThan(1e-6);
    }
  });

  it('repeats one mask for the batch', async () => {
    await using trainer = await made(true);
    const [input, target] = [image(), image()];
    const one = image([1, 1, 6, 8]);
    const repeated = { dims: [2, 1, 6, 8], data: Float32Array.of(...one.data, ...one.data) };
    const { loss } = await trainer.evaluate(input, target, { mask: one });
    expect(loss).toBe((await trainer.evaluate(input, target, { mask: repeated })).loss);
  });

  it('asks for one, and others refuse it', async () => {
    const [input, target, mask] = [image(), image(), image([2, 1, 6, 8])];
    await using masked = await made(true);
    await expect(masked.step(input, target)).rejects.toThrow(/made for masks: give one with every call/);
    await expect(masked.step(input, target, { mask: image([2, 1, 8, 6]) })).rejects.toThrow(
      /mask should have the shape \[2,1,6,8\]/,
    );
    await using plain = await made(false);
    await expect(plain.step(input, target, { mask })).rejects.toThrow(
      /Trainer\.create\(student, loss, optimizer, \{ batch, mask: true \}\)/,
    );
  });
});
