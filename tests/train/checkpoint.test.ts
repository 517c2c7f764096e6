/** What a checkpoint and the trainer that goes on from it must have in common. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { L1Loss } from '../../src/loss/index.js';
import { Linear, manualSeed } from '../../src/nn/index.js';
import { Adam, AdamW, type Optimizer, SGD } from '../../src/optim/index.js';
import { type Checkpoint, Trainer, type TrainerOptions } from '../../src/train/index.js';

const tensor = { dims: [1, 2], data: Float32Array.from([1, 2]) };

async function trainerOf(optimizer: Optimizer, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  manualSeed(3);
  return Trainer.create(new Linear(2, 2), new L1Loss(), optimizer, { batch: [1, 2], ...options });
}

async function checkpointOf(optimizer: Optimizer, options: Partial<TrainerOptions> = {}): Promise<Checkpoint> {
  await using trainer = await trainerOf(optimizer, options);
  await trainer.step(tensor, tensor);
  return await trainer.checkpoint();
}

async function refusal(trainer: Trainer, checkpoint: Checkpoint): Promise<GlobalPercError> {
  const error = await trainer.restore(checkpoint, 'run').then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GlobalPercError);
  expect(error).toMatchObject({ code: 'invalid-file' });
  expect(trainer.steps).toBe(0);
  return error as GlobalPercError;
}

describe('another run is refused, and what differs is named', () => {
  it.each([
    [new Adam(), { accumulate: 3 }, new Adam(), { accumulate: 2 }, 'accumulate 3, this trainer has 2'],
    [new Adam(), {}, new Adam(), { accumulate: 2 }, 'accumulate 1, this trainer has 2'],
    [new Adam(), { accumulate: 2 }, new Adam(), {}, 'accumulate 2, this trainer has 1'],
    // Both keep the same state.
    [new Adam(), {}, new AdamW(), {}, 'optimizer Adam, this trainer has AdamW'],
    [new SGD(), {}, new Adam(), {}, 'optimizer SGD, this trainer has Adam'],
    [new SGD(), { seed: 1 }, new SGD(), { seed: 2 }, 'seed 1, this trainer has 2'],
  ] as [Optimizer, object, Optimizer, object, string][])('%#', async (made, before, given, now, message) => {
    const checkpoint = await checkpointOf(made, before);
    await using trainer = await trainerOf(given, now);
    expect((await refusal(trainer, checkpoint)).message).toContain(`run was made with ${message}`);
  });

  it.each([
    [new SGD(), {}, new SGD({ momentum: 0.9 }), {}, /missing: optimizer:momentum_buffer:weight/],
    [new SGD(), {}, new SGD(), { ema: 0.9 }, /missing: ema:weight/],
    [new SGD(), { ema: 0.9 }, new SGD(), {}, /not in this trainer: ema:weight/],
  ] as [Optimizer, object, Optimizer, object, RegExp][])(
    'state that is carried or not: %#',
    async (made, before, given, now, message) => {
      const checkpoint = await checkpointOf(made, before);
      await using trainer = await trainerOf(given, now);
      expect((await refusal(trainer, checkpoint)).message).toMatch(message);
    },
  );

  it('rates, limits and decays may be others', async () => {
    const checkpoint = await checkpointOf(new AdamW({ lr: 0.1 }), { ema: 0.9 });
    const options = { ema: 0.5, clipGradNorm: 1, batch: [4, 2] };
    await using trainer = await trainerOf(new AdamW({ lr: 0.01, betas: [0.5, 0.5], weightDecay: 0 }), options);
    await trainer.restore(checkpoint);
    expect(trainer.steps).toBe(1);
    const four = { dims: [4, 2], data: new Float32Array(8).fill(1) };
    expect((await trainer.step(four, four)).lr).toBeCloseTo(0.01, 8);
  });
});

describe('what cannot be understood is refused', () => {
  const withRest = (checkpoint: Checkpoint, change: (rest: Record<string, unknown>) => unknown): Checkpoint => {
    const rest = JSON.parse(new TextDecoder().decode(checkpoint['trainer.json'])) as Record<string, unknown>;
    return { ...checkpoint, 'trainer.json': new TextEncoder().encode(JSON.stringify(change(rest))) };
  };

  it('holds steps, seed, optimiser and accumulation', async () => {
    const { 'trainer.json': bytes } = await checkpointOf(new AdamW(), { seed: 5, accumulate: 2 });
    expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual({
      format: 2,
      steps: 1,
      seed: 5,
      optimizer: 'AdamW',
      accumulate: 2,
    });
  });

  it.each([
    [(rest: object) => ({ ...rest, format: 1 }), /run\/trainer.json .*: format 2 is expected, got 1/],
    [(rest: object) => ({ ...rest, steps: '1' }), /run\/trainer.json .*steps should be an integer from 0 on, got "1"/],
    [(rest: object) => ({ ...rest, accumulate: undefined }), /'accumulate' is missing/],
    [(rest: object) => ({ ...rest, more: 1 }), /'more' is not known/],
    [() => null, /format 2 is expected, got undefined/],
    [() => 'text', /format 2 is expected, got undefined/],
  ] as [(rest: object) => unknown, RegExp][])('%#', async (change, message) => {
    const checkpoint = await checkpointOf(new SGD());
    await using trainer = await trainerOf(new SGD());
    expect((await refusal(trainer, withRest(checkpoint, change))).message).toMatch(message);
  });

  it('keeps the error behind it', async () => {
    const checkpoint = await checkpointOf(new SGD());
    await using trainer = await trainerOf(new SGD());
    const error = await refusal(trainer, { ...checkpoint, 'trainer.json': new TextEncoder().encode('{') });
    expect(error.cause).toBeInstanceOf(SyntaxError);
    const { 'optimizer.safetensors': _, ...others } = checkpoint;
    expect((await refusal(trainer, others)).message).toBe('run: the checkpoint has no optimizer.safetensors');
  });
});
