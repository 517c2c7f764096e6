/** The bar on stderr: only in a terminal, only for what takes long, and never over what is written. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { note, withProgress } from '../../src/cli/progress.js';

let written = '';
const before = { isTTY: process.stderr.isTTY, columns: process.stderr.columns };

/** stderr as a terminal, or as a file. */
function become(isTTY: boolean): void {
  Object.assign(process.stderr, { isTTY, columns: 80 });
}

beforeEach(() => {
  written = '';
  vi.useFakeTimers();
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  Object.assign(process.stderr, before);
});

const download = (loaded: number) => ({ step: 'download', file: 'vgg16-397923af.pth', loaded, total: 528e6 }) as const;

describe('in a terminal', () => {
  beforeEach(() => become(true));

  it('what is done within a second shows nothing', async () => {
    const result = await withProgress(async ({ onProgress }) => {
      onProgress?.({ step: 'read' });
      await vi.advanceTimersByTimeAsync(990);
      return 5;
    });
    await vi.advanceTimersByTimeAsync(5000);
    expect([result, written]).toEqual([5, '']);
  });

  it('a download shows its bytes, then the bar is gone', async () => {
    await withProgress(async ({ onProgress }) => {
      onProgress?.(download(1e6));
      await vi.advanceTimersByTimeAsync(1100);
      expect(written).toContain('download 1 of 528 MB vgg16-397923af.pth');
      onProgress?.(download(264e6));
      await vi.advanceTimersByTimeAsync(1000);
      expect(written).toContain('download 264 of 528 MB vgg16-397923af.pth');
      onProgress?.({ step: 'fold' });
      await vi.advanceTimersByTimeAsync(1000);
      expect(written).toContain(' fold');
    });
    written = '';
    await vi.advanceTimersByTimeAsync(5000);
    expect(written).toBe('');
  });

  it('lines wait for the end of it, also of one that fails', async () => {
    const task = withProgress(async () => {
      note('first');
      note('second');
      await vi.advanceTimersByTimeAsync(1100);
      expect(written).not.toMatch(/first|second/);
      throw new Error('mine');
    });
    await expect(task).rejects.toThrow('mine');
    expect(written).toMatch(/first\nsecond\n$/);
    note('third');
    expect(written).toMatch(/second\nthird\n$/);
  });
});

it('elsewhere there is none, and lines are written at once', async () => {
  become(false);
  await withProgress(async ({ onProgress }) => {
    expect(onProgress).toBeUndefined();
    note('first');
    expect(written).toBe('first\n');
    await vi.advanceTimersByTimeAsync(2000);
  });
  expect(written).toBe('first\n');
});
