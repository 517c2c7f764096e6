/** What a caller hears of a worker that answers late, in another order, or not at all. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { engineOf } from '../../src/runtime/platform-node.js';
import type { SessionHost } from '../../src/runtime/session-host.mjs';
import { decode, deliver, encode, sharedBuffer, waitFor } from '../../src/runtime/shared-answer.mjs';
import type { WorkerRequest } from '../../src/runtime/types.js';
import { WorkerEngine } from '../../src/runtime/worker-engine.js';
import { answering } from '../../src/runtime/worker-host.mjs';

const run = promisify(execFile);
const ask = (argument: unknown) => ({ method: 'upload', argument }) as const;

/** An engine whose worker is the test. */
function byHand(post: (request: WorkerRequest) => void = () => {}) {
  const requests: WorkerRequest[] = [];
  const kept: boolean[] = [];
  const engine = new WorkerEngine({
    post: (request) => {
      requests.push(request);
      post(request);
    },
    keepAlive: (awaited) => kept.push(awaited),
    runs: () => true,
  });
  return { engine, requests, kept };
}

async function faulty(workerData?: unknown) {
  let worker: Worker | undefined;
  const engine = await engineOf(() => {
    worker = new Worker(new URL('./faulty-worker.mjs', import.meta.url), { workerData });
    return worker;
  });
  return { engine, worker: worker as Worker };
}

const ended = (reason: string) => ({
  name: 'GlobalPercError',
  code: 'runtime',
  message: `the worker that runs ONNX Runtime has ended (${reason}), and every session with it: start the process again, and go on from the last checkpoint`,
});

describe('answers', () => {
  it('that come in another order reach the call that they belong to', async () => {
    const { engine, requests } = byHand();
    const results = Promise.all([engine.ask(ask('a')), engine.ask(ask('b')), engine.ask(ask('c')).catch(String)]);
    const [a, b, c] = requests as [WorkerRequest, WorkerRequest, WorkerRequest];
    engine.receive({ id: c.id, error: 'not c' });
    engine.receive({ id: b.id, result: 'B' });
    engine.receive({ id: a.id, result: 'A' });
    expect(await results).toEqual(['A', 'B', 'Error: not c']);
  });

  it('that are errors keep their code, for a caller that blocks too', async () => {
    const failed = { error: 'a file is missing', code: 'io' };
    const { engine, requests } = byHand(({ buffer }) => buffer && deliver(buffer, encode(failed)));
    const waiting = engine.ask(ask('a'));
    engine.receive({ id: (requests[0] as WorkerRequest).id, ...failed });
    const expected = { message: 'a file is missing', code: 'io' };
    await expect(waiting).rejects.toMatchObject(expected);
    expect(() => engine.askSync(ask('b'))).toThrow(expect.objectContaining(expected));
  });

  it('that come twice, or for a call that nobody made, are passed over', async () => {
    const { engine, requests } = byHand();
    const first = engine.ask(ask('a'));
    engine.receive({ id: 99, result: 'whose?' });
    engine.receive({ id: (requests[0] as WorkerRequest).id, result: 'A' });
    engine.receive({ id: (requests[0] as WorkerRequest).id, result: 'again' });
    expect(await first).toBe('A');
  });

  it('keep the process alive from the first call to the last answer', async () => {
    const { engine, requests, kept } = byHand();
    const both = [engine.ask(ask('a')), engine.ask(ask('b'))];
    expect(kept).toEqual([true, true]);
    engine.receive({ id: (requests[1] as WorkerRequest).id });
    expect(kept).toEqual([true, true]);
    engine.receive({ id: (requests[0] as WorkerRequest).id });
    expect(kept).toEqual([true, true, false]);
    await Promise.all(both);
  });

  it('are not waited for when the request could not be sent', async () => {
    const { engine, kept } = byHand(() => {
      throw new Error('could not be cloned');
    });
    await expect(engine.ask(ask('a'))).rejects.toThrow('could not be cloned');
    expect(kept.at(-1)).not.toBe(true);
  });
});

describe('a worker without memory for its answer', () => {
  const host = { upload: async () => 'much' } as unknown as SessionHost;
  const full = () => {
    throw new RangeError('Array buffer allocation failed');
  };

  it('says so, and answers the next call', async () => {
    const answers: unknown[] = [];
    const answer = answering(host, (message) =>
      answers.length === 0 ? answers.push('none') && full() : answers.push(message),
    );
    await Promise.all([1, 2].map((id) => answer({ ...ask('x'), id })));
    const error = 'Array buffer allocation failed';
    expect(answers).toEqual(['none', { id: 1, error, code: undefined }, { id: 2, result: 'much' }]);
  });

  it('says so to a caller that is blocked', async () => {
    const buffer = sharedBuffer(100);
    await answering({ upload: async () => ({ toJSON: full }) } as unknown as SessionHost, () => {})({
      ...ask('x'),
      id: 0,
      buffer,
    });
    const { bytes } = waitFor(buffer, () => false) as { bytes: ArrayBuffer };
    expect(decode(bytes)).toEqual({ error: 'Array buffer allocation failed' });
  });
});

describe('an answer in shared memory', () => {
  const never = () => false;

  it.each([0, 1, 7, 8, 100])('fits a buffer of exactly its %i bytes, and none smaller', (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => i + 1);
    const exact = sharedBuffer(length);
    expect(deliver(exact, bytes)).toBe(true);
    expect(waitFor(exact, never)).toEqual({ bytes: bytes.buffer });
    if (length === 0) return;
    const small = sharedBuffer(length - 1);
    expect(deliver(small, bytes)).toBe(false);
    expect(waitFor(small, never)).toEqual({ needed: length });
    expect(deliver(small, bytes.subarray(1))).toBe(true);
    expect(waitFor(small, never)).toEqual({ bytes: bytes.slice(1).buffer });
  });

  it('comes back as it was: typed arrays of every kind, anywhere, with nothing of their neighbours', () => {
    const arrays = [
      ...[Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint16Array, Uint32Array],
    ].map((Type) => Type.of(1, 2, 3));
    const answer = {
      result: {
        arrays,
        big: BigInt64Array.of(-1n, 2n ** 40n),
        empty: new Float32Array(0),
        text: 'ö → "x"',
        none: null,
      },
      part: new Float32Array([9, 1, 2, 9]).subarray(1, 3),
    };
    expect(decode(encode(answer).buffer)).toEqual({ ...answer, part: Float32Array.of(1, 2) });
  });

  it('is asked for again with room for it, each time one is larger than those before', () => {
    const sizes: number[] = [];
    let bytes = new Uint8Array();
    const { engine, requests } = byHand(({ method, argument, buffer }) => {
      const room = buffer as SharedArrayBuffer;
      sizes.push(room.byteLength);
      if (method !== 'collect')
        bytes = encode({ result: new Float32Array(argument as number).fill(argument as number) });
      deliver(room, bytes);
    });
    for (const length of [3, 20_000, 5, 40_000, 30_000]) {
      expect(engine.askSync(ask(length))).toEqual(new Float32Array(length).fill(length));
    }
    const [upload, collect] = ['upload', 'collect'];
    expect(requests.map(({ method }) => method)).toEqual([upload, upload, collect, upload, upload, collect, upload]);
    expect(sizes[2]).toBeGreaterThan(80_000);
    expect(sizes[6]).toBeGreaterThan(160_000);
  });

  it('is not waited for when the worker has ended', () => {
    expect(waitFor(sharedBuffer(8), () => false)).toBeUndefined();
  });

  it.each([
    { runs: true, atLook: 2 },
    { runs: false, atLook: 1 },
  ])('is taken when it comes late, if the worker runs: $runs', ({ runs, atLook }) => {
    let looks = 0;
    const buffer = sharedBuffer(8);
    const late = () => {
      looks += 1;
      if (looks === atLook) deliver(buffer, Uint8Array.of(5));
      return runs;
    };
    expect(waitFor(buffer, late)).toEqual({ bytes: Uint8Array.of(5).buffer });
    expect(looks).toBe(atLook);
  });
});

describe('a worker that ends', () => {
  it.each([
    ['exit', 'exit code 7'],
    ['throw', 'a defect'],
  ])('by %s fails the calls that wait and all later ones', async (deed, reason) => {
    const { engine } = await faulty();
    expect(await engine.ask(ask('fine'))).toBe('fine');
    const waiting = [engine.ask(ask(deed)), engine.ask(ask('behind it'))];
    for (const call of waiting) await expect(call).rejects.toMatchObject(ended(reason));
    await expect(engine.ask(ask('later'))).rejects.toMatchObject(ended(reason));
    expect(() => engine.askSync?.(ask('later'))).toThrow(expect.objectContaining(ended(reason)));
  });

  it('between two calls fails the next one', async () => {
    const { engine, worker } = await faulty();
    expect(await engine.ask(ask('fine'))).toBe('fine');
    await worker.terminate();
    await expect(engine.ask(ask('later'))).rejects.toMatchObject(ended('exit code 1'));
  });

  it('because its memory ran out says so', async () => {
    const { engine, worker } = await faulty();
    const waiting = engine.ask(ask('silence'));
    worker.emit('error', Object.assign(new Error('reached memory limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }));
    const message = expect.stringMatching(/^the worker .* has ended \(reached memory limit\).*smaller images/);
    await expect(waiting).rejects.toMatchObject({ name: 'GlobalPercError', code: 'out-of-memory', message });
    await worker.terminate();
  });

  it('with an answer that cannot be taken apart fails the calls that wait', async () => {
    const { engine, worker } = await faulty();
    const waiting = engine.ask(ask('silence'));
    worker.emit('messageerror', new Error('no room'));
    await expect(waiting).rejects.toMatchObject(ended('no room'));
    await worker.terminate();
  });

  it('while it is loading says so', async () => {
    await expect(faulty('broken')).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'runtime',
      message: expect.stringMatching(
        /^computing in Node needs the package onnxruntime-node, which cannot be loaded: no library; /,
      ),
      cause: expect.objectContaining({ message: 'no library' }),
    });
  });

  it.each([
    ['exit', 'exit code 7'],
    ['throw', 'a defect'],
    ['terminate', 'exit code 1'],
  ])('by %s while a caller is blocked lets it go on, and tells the next', async (deed, cause) => {
    const script = fileURLToPath(new URL('./blocked-caller.mjs', import.meta.url));
    const { stdout } = await run(process.execPath, [script, deed], { timeout: 30_000 });
    const guess = 'while a call was blocked: by an error of its own, or because its memory ran out';
    const lines = [guess, cause]
      .map((reason) => ended(reason))
      .map((told) => `${told.name} ${told.code} ${told.message}`);
    expect(stdout.trim().split('\n')).toEqual(lines);
  });
});
