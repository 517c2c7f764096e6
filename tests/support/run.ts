/** Runs symbolic graphs in ONNX Runtime, and compares numbers. */
import { expect } from 'vitest';
import { type ConstantData, type Graph, numbersOf, type Tensor, typedArray } from '../../src/graph/index.js';
import { requiredOpset } from '../../src/ops/index.js';
import { type HostTensor, runSteps, Session, type Steps } from '../../src/runtime/index.js';

export const feedOf = (data: ConstantData): HostTensor => ({
  dtype: data.dtype,
  dims: data.shape,
  data: typedArray(data.dtype, data.bytes),
});

export const numbersIn = (tensor: HostTensor | undefined): number[] =>
  Array.from((tensor?.data ?? []) as ArrayLike<number | bigint>, Number);

/** A session that is open. */
export interface OpenSession {
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>;
}

/** Opens a session without graph optimisation, hands it to `use`, and closes it. */
export async function withSession<T>(graph: Graph, use: (session: OpenSession) => Promise<T>): Promise<T> {
  const opening = Session.open(graph, requiredOpset(graph), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
  });
  const session = await runSteps(opening);
  try {
    return await use({ run: (feeds) => runSteps(session.run(feeds)) });
  } finally {
    await runSteps(session.dispose());
  }
}

/** Runs a graph once: outputs by name. */
export function runGraph(
  graph: Graph,
  outputs: Record<string, Tensor>,
  feeds: Record<string, ConstantData>,
): Promise<Record<string, number[]>> {
  for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor);
  return withSession(graph, async (session) => {
    const results = await session.run(
      Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, feedOf(data)])),
    );
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, numbersIn(tensor)]));
  });
}

/** ‖actual − expected‖₂ / ‖expected‖₂; the absolute norm when the expected one is tiny. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i += 1) {
    difference += ((actual[i] as number) - (expected[i] as number)) ** 2;
    norm += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-6);
}

/** Same length, all finite where expected is, and within `tolerance` of the expected values in relative L2 norm. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number> | ConstantData,
  tolerance: number,
  what: string,
): void {
  const numbers = 'bytes' in expected ? numbersOf(expected) : expected;
  expect(actual.length, `${what}: number of elements`).toBe(numbers.length);
  const error = relativeError(actual, numbers);
  if (!(error <= tolerance)) {
    expect.fail(
      `${what}: relative error ${error}\n  got      ${Array.from(actual).slice(0, 12)}\n  expected ${Array.from(numbers).slice(0, 12)}`,
    );
  }
}

/** How often a computation opens a session, and the bytes that it hands over. */
export async function counted<T>(steps: Steps<T>): Promise<{ result: T; sessions: number; bytes: number }> {
  const counts = { sessions: 0, bytes: 0 };
  function* counting(): Steps<T> {
    let step = steps.next();
    while (!step.done) {
      const { method, argument } = step.value as { method: string; argument: { model: Uint8Array; external: [] } };
      if (method === 'create') counts.sessions += 1;
      const external = (argument.external ?? []) as { data: Uint8Array }[];
      if (method === 'create')
        counts.bytes += external.reduce((sum, { data }) => sum + data.length, argument.model.length);
      step = steps.next(yield step.value);
    }
    return step.value;
  }
  return { result: await runSteps(counting()), ...counts };
}
