/** Programs: drafted once, kept, run in turn, freed. */
import { describe, expect, it } from 'vitest';
import { begin, Runner } from '../../src/compile/index.js';
import type { Graph } from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { runSteps, type Steps } from '../../src/runtime/index.js';
import type { CreateRequest } from '../../src/runtime/types.js';

function doubling(): Graph {
  const graph = createGraph();
  graph.output('y', graph.input('x', 'float32', [1]).mul(2));
  return graph;
}
const feeds = { x: { dtype: 'float32', dims: [1], data: Float32Array.of(3) } } as const;

describe('a runner', () => {
  it('drafts a program once per key', async () => {
    const runner = new Runner<number>('test', {});
    let drafts = 0;
    const draft = () => {
      drafts += 1;
      return { graph: doubling(), details: drafts };
    };
    const program = (key: string) => runSteps(runner.program(key, draft, {}));
    const [first, again, other] = [await program('a'), await program('a'), await program('b')];
    expect(again).toBe(first);
    expect([first.details, other.details]).toEqual([1, 2]);
    expect((await runSteps(first.session.run(feeds))).y?.data).toEqual(Float32Array.of(6));
    await runner.dispose();
  });

  const five = (arena: boolean): unknown[] => new Array(5).fill(arena);
  const fromTheFifthOn = [undefined, undefined, undefined, undefined, false];
  it.each([
    ['gives back what it has allocated from the fifth size on', {}, {}, fromTheFifthOn],
    ['does as the caller says', { enableCpuMemArena: true }, {}, five(true)],
    ['gives back what computing took of which something stays', {}, { stay: ['y'] }, five(false)],
    ['holds what a step takes, which takes it again', {}, { stay: ['y'], held: true }, fromTheFifthOn],
  ])('%s', async (_what, session, kept, expected) => {
    const runner = new Runner<undefined>('test', session);
    const arenas: unknown[] = [];
    function* watched<T>(steps: Steps<T>): Steps<T> {
      let step = steps.next();
      while (!step.done) {
        const { method, argument } = step.value;
        if (method === 'create') arenas.push((argument as CreateRequest).options.enableCpuMemArena);
        step = steps.next(yield step.value);
      }
      return step.value;
    }
    for (const key of 'abcde') {
      const draft = () => ({ graph: doubling(), details: undefined, ...kept });
      const { session: opened } = await runSteps(watched(runner.program(key, draft, {})));
      expect((await runSteps(opened.run(feeds))).y?.data).toEqual(Float32Array.of(6));
    }
    expect(arenas).toEqual(expected);
    await runner.dispose();
  });

  it('reports its steps, and stops between them', async () => {
    const runner = new Runner<undefined>('test', {});
    const steps: string[] = [];
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      onProgress: ({ step }: { step: string }) => {
        steps.push(step);
        if (step === 'fold') controller.abort(new Error('enough'));
      },
    };
    const opening = runSteps(runner.program('a', () => ({ graph: doubling(), details: undefined }), options));
    await expect(opening).rejects.toThrow('enough');
    expect(steps).toEqual(['fold']);
    await runner.dispose();
  });

  it('begins no step that is aborted, and gives no graph that was aborted while it was finished', async () => {
    const controller = new AbortController();
    const steps: string[] = [];
    const options = {
      signal: controller.signal,
      onProgress: ({ step }: { step: string }) => {
        steps.push(step);
        controller.abort(new Error('enough'));
      },
    };
    const runner = new Runner<undefined>('test', {});
    await expect(runSteps(runner.finished(doubling(), options))).rejects.toThrow('enough');
    expect(() => begin('fold', options)).toThrow('enough');
    expect(steps).toEqual(['fold']);
    await runner.dispose();
  });

  it('stays as it is where what comes before its disposal fails', async () => {
    const runner = new Runner<undefined>('test', {});
    const failing = runner.dispose(async () => {
      throw new Error('not yet');
    });
    await expect(failing).rejects.toThrow('not yet');
    expect(runner.disposed).toBe(false);
    await runner.dispose();
    expect(runner.disposed).toBe(true);
  });

  it('drafts anew what it has closed', async () => {
    const runner = new Runner<undefined>('test', {});
    const program = () => runSteps(runner.program('a', () => ({ graph: doubling(), details: undefined }), {}));
    const first = await program();
    await runSteps(runner.close());
    const second = await program();
    expect(second).not.toBe(first);
    expect((await runSteps(second.session.run(feeds))).y?.data).toEqual(Float32Array.of(6));
    await runner.dispose();
  });

  it('runs tasks one after the other, also behind one that failed, and disposes after them', async () => {
    const runner = new Runner<undefined>('test', {});
    const order: string[] = [];
    const task =
      (name: string, fails = false) =>
      async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        order.push(`${name} ends`);
        if (fails) throw new Error(name);
      };
    const first = runner.take(task('first', true));
    const second = runner.take(task('second'));
    const disposal = runner.dispose(task('last'));
    await expect(first).rejects.toThrow('first');
    await Promise.all([second, disposal]);
    expect(order).toEqual(['first', 'second', 'last'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    const refusal = { name: 'GlobalPercError', code: 'disposed', message: 'this test was disposed; make a new one' };
    await expect(runner.take(task('late'))).rejects.toMatchObject(refusal);
    expect(() => runner.blocking(function* () {})).toThrow(expect.objectContaining(refusal));
    await runner.dispose(task('never'));
    expect(order).toHaveLength(6);
  });

  it('does not begin a task whose signal was aborted while it waited', async () => {
    const runner = new Runner<undefined>('test', {});
    const controller = new AbortController();
    const first = runner.take(async () => controller.abort(new Error('enough')));
    let ran = false;
    const second = runner.take(
      async () => {
        ran = true;
      },
      { signal: controller.signal },
    );
    await first;
    await expect(second).rejects.toThrow('enough');
    expect(ran).toBe(false);
    await runner.dispose();
  });

  it('refuses a blocking call while an asynchronous one runs', async () => {
    const runner = new Runner<undefined>('test', {});
    const running = runner.take(() => new Promise((resolve) => setTimeout(resolve, 5)));
    expect(() => runner.blocking(function* () {})).toThrow(
      expect.objectContaining({
        name: 'GlobalPercError',
        code: 'runtime',
        message: expect.stringContaining('an asynchronous call of this test is not done yet'),
      }),
    );
    await running;
    await runner.dispose();
  });

  it('carries out computations in steps, in turn or blocking', async () => {
    const runner = new Runner<undefined>('test', {});
    const order: string[] = [];
    const before = runner.take(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push('before');
    });
    // biome-ignore lint/correctness/useYield: a computation of no step that waits is one too.
    const steps = function* (): Steps<number> {
      order.push('steps');
      return 3;
    };
    expect(await runner.take(() => runSteps(steps()))).toBe(3);
    expect(order).toEqual(['before', 'steps']);
    await before;
    expect(runner.blocking(steps)).toBe(3);
    await runner.dispose();
  });

  it('closes its sessions when it is disposed of', async () => {
    const runner = new Runner<undefined>('test', {});
    const { session } = await runSteps(runner.program('a', () => ({ graph: doubling(), details: undefined }), {}));
    await runner.dispose();
    await expect(runSteps(session.run(feeds))).rejects.toMatchObject({ name: 'GlobalPercError' });
  });
});
