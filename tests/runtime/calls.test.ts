/** What ONNX Runtime refuses, and calls that are made while others are not done. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import {
  download,
  type HostTensor,
  release,
  runSteps,
  runStepsSync,
  Session,
  upload,
} from '../../src/runtime/index.js';
import type { SessionOptions } from '../../src/runtime/session-options.js';
import { startSync } from '../../src/runtime/start-sync.js';

const tensor = (...values: number[]): HostTensor => ({
  dtype: 'float32',
  dims: [values.length],
  data: Float32Array.from(values),
});

/** x + x */
function doubling(options: SessionOptions = {}, opset?: number) {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [2]);
  graph.output('y', x.add(x));
  return Session.open(graph, opset ?? requiredOpset(graph), options);
}

/** Both ways of calling. */
const WAYS = [
  ['awaited', runSteps],
  [
    'blocked',
    async <T>(steps: Parameters<typeof runStepsSync<T>>[0]) => {
      await startSync({});
      return runStepsSync(steps);
    },
  ],
] as const;

describe.each(WAYS)('a call that is %s', (_, carryOut) => {
  it('says that a session could not be opened, in the words of ONNX Runtime', async () => {
    const error = await carryOut(doubling({}, 9999)).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(GlobalPercError);
    expect(error).toMatchObject({ code: 'runtime', cause: expect.any(Error) });
    expect(error.message).toMatch(/^ONNX Runtime could not open a session: .*Opset 9999 .*\S$/);
    expect(error.message).not.toMatch(/\n/);
  });

  it('says that a session could not run', async () => {
    const session = await carryOut(doubling());
    await expect(carryOut(session.run({}))).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'runtime',
      message: "ONNX Runtime could not run a session: input 'x' is missing in 'feeds'.",
      cause: expect.objectContaining({ message: "input 'x' is missing in 'feeds'." }),
    });
    await expect(carryOut(session.run({ x: tensor(1, 2, 3) }))).rejects.toThrow(
      /^ONNX Runtime could not run a session: .*invalid dimensions for input: x/,
    );
    expect((await carryOut(session.run({ x: tensor(1, 2) }))).y?.data).toEqual(Float32Array.of(2, 4));
    await carryOut(session.dispose());
    await expect(carryOut(session.run({ x: tensor(1, 2) }))).rejects.toMatchObject({
      code: 'runtime',
      message: expect.stringMatching(/^ONNX Runtime could not run a session: session \d+ is disposed$/),
    });
  });

  it('says that kept tensors were freed', async () => {
    const kept = await carryOut(upload([tensor(1, 2)], {}));
    expect((await carryOut(download(kept, {})))[0]?.data).toEqual(Float32Array.of(1, 2));
    await carryOut(release(kept, {}));
    await expect(carryOut(download(kept, {}))).rejects.toThrow(
      /^ONNX Runtime could not give kept tensors back: .* after it was released$/,
    );
  });

  it('brings back answers of every size', async () => {
    for (const size of [1, 30_000, 2, 60_000, 45_000]) {
      const values = Float32Array.from({ length: size }, (_, i) => i);
      const kept = await carryOut(upload([{ dtype: 'float32', dims: [size], data: values }], {}));
      const [found] = await carryOut(download(kept, {}));
      expect(found?.data).toHaveLength(size);
      expect(found?.data?.at(-1)).toBe(size - 1);
      await carryOut(release(kept, {}));
    }
  });
});

describe('calls that are not awaited', () => {
  it('are done in their order: a session is closed after those that run before', async () => {
    const session = await runSteps(doubling());
    const [first, second] = [session.run({ x: tensor(1, 2) }), session.run({ x: tensor(3, 4) })].map((s) =>
      runSteps(s),
    );
    const closed = runSteps(session.dispose());
    const late = runSteps(session.run({ x: tensor(5, 6) }));
    await Promise.all([
      expect(first).resolves.toMatchObject({ y: { data: Float32Array.of(2, 4) } }),
      expect(second).resolves.toMatchObject({ y: { data: Float32Array.of(6, 8) } }),
      expect(closed).resolves.toBeUndefined(),
      expect(late).rejects.toThrow(/is disposed$/),
    ]);
  });

  it('do not mix with one that blocks', async () => {
    await startSync({});
    const session = await runSteps(doubling());
    const pending = runSteps(session.run({ x: tensor(1, 2) }));
    // Until the request has been sent.
    await Promise.resolve().then(() => {});
    expect(runStepsSync(session.run({ x: tensor(3, 4) })).y?.data).toEqual(Float32Array.of(6, 8));
    expect((await pending).y?.data).toEqual(Float32Array.of(2, 4));
    await runSteps(session.dispose());
  });
});

describe('options of a session', () => {
  it.each<[object, string]>([
    [{ executionProviders: ['abacus'] }, 'executionProviders[0] should be one of coreml, cpu, cuda, .*, got "abacus"'],
    [{ executionProviders: ['cpu', { name: 'cpus' }] }, 'executionProviders[1] should be one of .*, got "cpus"'],
    [{ executionProviders: [3] }, 'executionProviders[0] should be one of .*, got 3'],
    [{ executionProviders: 'cpu' }, "executionProviders should be a list, e.g. ['webgpu', 'cpu'], got \"cpu\""],
    [{ intraOpNumThreads: '2' }, 'intraOpNumThreads should be an integer from 0 on, got "2"'],
    [{ intraOpNumThreads: -1 }, 'intraOpNumThreads should be an integer from 0 on, got -1'],
    [{ graphOptimizationLevel: 'most' }, 'graphOptimizationLevel should be one of disabled, .*, got "most"'],
    [{ enableMemPattern: 1 }, 'enableMemPattern should be true or false, got 1'],
    [{ preferredOutputLocation: 'gpu-buffer' }, 'preferredOutputLocation should be \'cpu\', .*, got "gpu-buffer"'],
    [{ logSeverityLevel: 5 }, 'logSeverityLevel should be 0 to 4, got 5'],
    [{ extra: 'fast' }, 'extra should be an object of sections, .*, got "fast"'],
    [{ extra: { session: 1 } }, 'extra should be an object of sections, .*, got {"session": 1}'],
  ])('%j are refused', async (options, message) => {
    const pattern = message.replaceAll(/[[\]]/g, '\\$&');
    await expect(runSteps(doubling(options))).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'invalid-option',
      message: expect.stringMatching(new RegExp(`^session: ${pattern}$`)),
    });
  });

  it('that nobody knows are refused with the nearest', async () => {
    await expect(runSteps(doubling({ intraOpNumThread: 1 } as object))).rejects.toThrow(
      "session: 'intraOpNumThread' is not known; did you mean 'intraOpNumThreads'?",
    );
  });

  it('reach ONNX Runtime, and those left undefined do not', async () => {
    const given = {
      executionProviders: ['cpu'],
      intraOpNumThreads: undefined,
      extra: { session: { disable_prepacking: '1' } },
    };
    const session = await runSteps(doubling(given as object));
    expect((await runSteps(session.run({ x: tensor(1, 2) }))).y?.data).toEqual(Float32Array.of(2, 4));
    await runSteps(session.dispose());
    await expect(runSteps(doubling({ extra: { session: { disable_prepacking: 1 } } }))).rejects.toThrow(
      /^ONNX Runtime could not open a session: .*sessionOptions.extra value must be a string/,
    );
    await expect(runSteps(doubling({ executionProviders: ['coreml'] }))).rejects.toThrow(
      /could not open a session: .*coreml/,
    );
  });

  it('that cannot be sent to the worker are refused, and nothing is waited for', async () => {
    await expect(
      runSteps(doubling({ executionProviders: [{ name: 'cpu', prefer: () => {} } as never] })),
    ).rejects.toMatchObject({
      name: 'GlobalPercError',
      code: 'runtime',
      message: expect.stringMatching(/^ONNX Runtime could not open a session: .*could not be cloned/),
    });
  });
});

it('ONNX Runtime writes no device id into the home folder', async () => {
  const home = await mkdtemp(join(tmpdir(), 'globalperc-home-'));
  const script = fileURLToPath(new URL('./ending.mjs', import.meta.url));
  const env = { ...process.env, HOME: home, XDG_CACHE_HOME: join(home, 'cache') };
  await promisify(execFile)(process.execPath, [script, 'nothing', 'load', '0'], {
    env: { ...env, ORT_DISABLE_TELEMETRY: undefined },
  });
  expect(await readdir(home)).toEqual([]);
  await rm(home, { recursive: true });
});
