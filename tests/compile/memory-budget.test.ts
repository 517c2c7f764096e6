/** What a program may take: it computes again what it does not keep, with the same numbers; what cannot be kept within is refused. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LPIPS, type MemorySize, models, nn, optim, Trainer } from '../../src/index.js';
import { Generator } from '../../src/random/index.js';
import { platform } from '../../src/runtime/index.js';

afterEach(() => vi.restoreAllMocks());

const image = (dims: readonly number[], seed: number) => {
  const generator = new Generator(seed);
  return { dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => generator.uniform()) };
};

describe('without a budget', () => {
  it.each([
    [1000, 1],
    [2 ** 30, 0],
  ])('%i bytes free: %i warnings', async (free, warnings) => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    vi.spyOn(platform.memory, 'free').mockReturnValue(free);
    await using loss = new nn.L1Loss();
    const zeros = image([1, 3, 8, 8], 0);
    for (let call = 0; call < 2; call += 1) await loss.valueAndGrad(zeros, zeros);
    expect(warn.mock.calls).toEqual(
      new Array(warnings).fill([
        'globalperc: this loss needs about 1MB of memory, and 1MB are free: take smaller images or batches, or tiles of them (nn.TiledLoss), or fewer hooks',
      ]),
    );
  });

  it('a warning offers one that works', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const info = vi.spyOn(console, 'info').mockReturnValue();
    const [pred, target] = [image([1, 3, 256, 256], 1), image([1, 3, 256, 256], 2)];
    vi.spyOn(platform.memory, 'free').mockReturnValueOnce(1000).mockReturnValueOnce(1000);
    await using loss = new LPIPS();
    const { value, grad } = await loss.valueAndGrad(pred, target);
    const offered = /\{ memory: '(\d+MB)' \}/.exec(warn.mock.calls[0]?.[0])?.[1] as MemorySize;
    await using small = new LPIPS({ memory: offered });
    const same = await small.valueAndGrad(pred, target);
    expect(info.mock.calls).toEqual([
      [expect.stringMatching(/^globalperc: memory of this loss \d+MB -> \d+MB for about \d+ % more time$/)],
    ]);
    expect(same.value).toBe(value);
    expect(same.grad.data).toEqual(grad.data);
  });
});

describe('a budget', () => {
  it('that nothing keeps within is refused, with the least that works', async () => {
    vi.spyOn(console, 'info').mockReturnValue();
    const [pred, target] = [image([1, 3, 128, 128], 1), image([1, 3, 128, 128], 2)];
    await using loss = new LPIPS({ memory: '1MB' });
    const error: Error = await loss.valueAndGrad(pred, target).catch((error) => error);
    expect(error.message).toMatch(
      /^memory: this loss takes \d+MB, and with all computed again that can be \d+MB, more than the 1MB allowed: take \{ memory: '\d+MB' \}/,
    );
    const least = /'(\d+MB)'/.exec(error.message)?.[1] as MemorySize;
    await using other = new LPIPS({ memory: least });
    await expect(other.valueAndGrad(pred, target)).resolves.toHaveProperty('value');
  });

  it('that is kept anyway says nothing', async () => {
    const info = vi.spyOn(console, 'info').mockReturnValue();
    await using loss = new LPIPS({ memory: '1GB' });
    await loss.valueAndGrad(image([1, 3, 64, 64], 1), image([1, 3, 64, 64], 2));
    expect(info).not.toHaveBeenCalled();
  });

  it('leaves a training as it is, dropout included', async () => {
    const info = vi.spyOn(console, 'info').mockReturnValue();
    const batch = [2, 3, 64, 64];
    const [input, target] = [image(batch, 3), image(batch, 4)];
    const run = async (memory?: MemorySize) => {
      nn.manualSeed(5);
      const student = new nn.Sequential(
        new models.UNet(3, 4, 3, { depth: 1 }),
        new nn.Dropout(0.2),
        new nn.Conv2d(3, 3, 3, { padding: 1 }),
      );
      const optimizer = new optim.AdamW({ lr: 1e-3 });
      await using trainer = await Trainer.create(student, new LPIPS(), optimizer, { batch, ...(memory && { memory }) });
      const losses: number[] = [];
      for (let step = 0; step < 2; step += 1) losses.push((await trainer.step(input, target)).loss);
      return losses;
    };
    const refused: Error = await run('1MB').catch((error) => error);
    const least = /'(\d+MB)'/.exec(refused.message)?.[1] as MemorySize;
    expect(await run(least)).toEqual(await run());
    expect(info).toHaveBeenCalledOnce();
  });
});
