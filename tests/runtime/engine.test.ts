/** Engines that cannot answer: not started, on a thread that may not block, or ended. */
import { describe, expect, it, vi } from 'vitest';
import { runSteps, runStepsSync, type Steps } from '../../src/runtime/index.js';
import { ask } from '../../src/runtime/steps.js';
import type { WorkerRequest } from '../../src/runtime/types.js';
import { WorkerEngine } from '../../src/runtime/worker-engine.js';

vi.mock('#platform', () => ({
  platform: {
    threads: 1,
    startEngine: async () => ({ cannotBlock: 'this is the main thread', ask: async () => undefined }),
  },
}));

function* closing(): Steps<string> {
  yield* ask('cpu', 'dispose', 1);
  return 'closed';
}

it('nothing blocks before the engine is started, or where the engine says why not', async () => {
  expect(() => runStepsSync(closing())).toThrow('runStepsSync before the engine was started');
  expect(await runSteps(closing())).toBe('closed');
  expect(() => runStepsSync(closing())).toThrow(
    expect.objectContaining({
      name: 'GlobalPercError',
      code: 'runtime',
      message: 'synchronous calls are not possible here: this is the main thread',
    }),
  );
});

describe('an engine whose worker has ended', () => {
  const request = { method: 'dispose', argument: 1 } as const;
  const refusal = (reason: string) =>
    expect.objectContaining({ code: 'runtime', message: expect.stringContaining(`has ended (${reason}`) });
  function engineOf() {
    const posted: WorkerRequest[] = [];
    const awaited: boolean[] = [];
    const port = {
      post: (sent: WorkerRequest) => void posted.push(sent),
      keepAlive: (keep: boolean) => void awaited.push(keep),
      runs: () => false,
    };
    return { engine: new WorkerEngine(port), posted, awaited };
  }

  it('fails what waits and what comes later, and asks nothing any more', async () => {
    const { engine, posted, awaited } = engineOf();
    const waiting = engine.ask(request);
    engine.fail(new Error('exit code 1'));
    engine.fail(new Error('again'));
    await expect(waiting).rejects.toEqual(refusal('exit code 1'));
    await expect(engine.ask(request)).rejects.toEqual(refusal('exit code 1'));
    expect(() => engine.askSync(request)).toThrow(refusal('exit code 1'));
    expect(posted).toHaveLength(1);
    expect(awaited).toEqual([true, false]);
    // Answers to calls that have failed already are not for anyone.
    engine.receive({ id: 1, result: 3 });
    engine.receive({ id: 1, error: 'late' });
  });

  it('is noticed by a caller that is blocked; what ended it is told by the event', async () => {
    const { engine } = engineOf();
    const waiting = engine.ask(request);
    expect(() => engine.askSync(request)).toThrow(refusal('while a call was blocked'));
    engine.fail(new Error('a defect'));
    await expect(waiting).rejects.toEqual(refusal('a defect'));
    expect(() => engine.askSync(request)).toThrow(refusal('a defect'));
  });
});
