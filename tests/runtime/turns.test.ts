/** Calls one after the other, and signals that stop them. */
import { describe, expect, it } from 'vitest';
import { runSteps, type Steps, Turns } from '../../src/runtime/index.js';
import { ask } from '../../src/runtime/steps.js';

/** A task that notes its begin and end, and ends when it is told to. */
function task(log: string[], name: string) {
  let resolve = (): void => {};
  let reject = (_: Error): void => {};
  const promise = new Promise<void>((...both) => {
    [resolve, reject] = both;
  });
  const run = async () => {
    log.push(`${name} begins`);
    await promise.finally(() => log.push(`${name} ends`));
    return name;
  };
  return { run, resolve, reject };
}

/** Lets everything run that does not wait for anything outside. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('begin one after the other, in the order in which they were taken', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [first, second, third] = [task(log, 'first'), task(log, 'second'), task(log, 'third')];
    const results = [first, second, third].map(({ run }) => turns.take(run));
    third.resolve();
    second.resolve();
    await settled();
    expect(log).toEqual(['first begins']);
    first.resolve();
    expect(await Promise.all(results)).toEqual(['first', 'second', 'third']);
    expect(log).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it('go on after one that fails, which alone rejects', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [first, second] = [task(log, 'first'), task(log, 'second')];
    const [failing, following] = [turns.take(first.run), turns.take(second.run)];
    const thrown = turns.take(() => {
      throw new Error('before it became a promise');
    });
    const failed = expect(failing).rejects.toThrow('broken');
    const threw = expect(thrown).rejects.toThrow('before it became a promise');
    second.resolve();
    await settled();
    expect(log).toEqual(['first begins']);
    first.reject(new Error('broken'));
    await failed;
    expect(await following).toBe('second');
    await threw;
    expect(await turns.take(async () => 'last')).toBe('last');
  });

  it('are idle before the first, after the last, and never between', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [first, second] = [task(log, 'first'), task(log, 'second')];
    expect(turns.idle).toBe(true);
    const [failing, following] = [turns.take(first.run), turns.take(second.run)];
    expect(turns.idle).toBe(false);
    first.reject(new Error('broken'));
    await expect(failing).rejects.toThrow('broken');
    expect(turns.idle).toBe(false);
    second.resolve();
    await following;
    expect(turns.idle).toBe(true);
  });

  it('are not idle while a task that waits has not begun', () => {
    const turns = new Turns();
    turns.take(async () => undefined);
    expect(turns.idle).toBe(false);
  });

  it('do not run a task whose signal was aborted before, or while it waited', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [first, late, after] = [task(log, 'first'), task(log, 'late'), task(log, 'after')];
    const controller = new AbortController();
    const running = turns.take(first.run, controller);
    const waiting = turns.take(late.run, controller);
    const aborted = turns.take(late.run, { signal: AbortSignal.abort(new Error('never')) });
    const following = turns.take(after.run);
    const rejections = Promise.all([
      expect(waiting).rejects.toThrow('enough'),
      expect(aborted).rejects.toThrow('never'),
    ]);
    await settled();
    controller.abort(new Error('enough'));
    first.resolve();
    after.resolve();
    expect(await running).toBe('first');
    await rejections;
    expect(await following).toBe('after');
    expect(log).toEqual(['first begins', 'first ends', 'after begins', 'after ends']);
    expect(turns.idle).toBe(true);
  });
});

describe('a signal of runSteps', () => {
  const uploaded = { dtype: 'float32', dims: [1], data: Float32Array.of(1) } as const;

  it('stops the computation before it begins', async () => {
    let begun = false;
    function* steps(): Steps<void> {
      begun = true;
      yield* ask('cpu', 'release', []);
    }
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(runSteps(steps(), { signal })).rejects.toThrow('enough');
    expect(begun).toBe(false);
  });

  it('stops it before its next request, and lets it tidy up', async () => {
    const controller = new AbortController();
    const log: unknown[] = [];
    function* steps(): Steps<void> {
      const ids = yield* ask('cpu', 'upload', [uploaded]);
      try {
        controller.abort(new Error('enough'));
        yield* ask('cpu', 'download', ids);
        log.push('downloaded');
      } finally {
        yield* ask('cpu', 'release', ids);
        log.push('released');
        const gone = yield* ask('cpu', 'upload', [uploaded]);
        yield* ask('cpu', 'release', gone);
        log.push('uploaded again');
      }
    }
    await expect(runSteps(steps(), controller)).rejects.toThrow('enough');
    expect(log).toEqual(['released', 'uploaded again']);
  });

  it('that is aborted during the last request does not take its result away', async () => {
    const controller = new AbortController();
    const result = runSteps(ask('cpu', 'upload', [uploaded]), controller);
    await settled();
    controller.abort();
    expect(await result).toHaveLength(1);
  });
});
