/** What must have happened before a thread may block. */
import { GraphBuilder } from '../graph/index.js';
import { Session } from './session.js';
import type { SessionOptions } from './session-options.js';
import { runSteps, runStepsSync, type Steps } from './steps.js';

const OPSET = 20;

/**
 * Starts the engine for synchronous calls. A browser loads ONNX Runtime with the first session, and could not while a
 * thread is blocked: so one runs before.
 * @throws GlobalPercError where this thread cannot block: on the main thread of a page, say.
 */
export async function startSync(options: SessionOptions): Promise<void> {
  await runSteps(identity(options));
  runStepsSync(identity(options));
}

/** Runs in the engine for what runs once, and in that of the sessions to come. */
function* identity(options: SessionOptions): Steps<void> {
  const graph = new GraphBuilder(() => [{ dtype: 'float32', shape: [1] }]);
  graph.output('y', graph.input('x', 'float32', [1]));
  const feeds = { x: { dtype: 'float32', dims: [1], data: new Float32Array(1) } } as const;
  yield* Session.runOnce(graph, OPSET, feeds, options);
  const session = yield* Session.open(graph, OPSET, options);
  yield* session.run(feeds);
  yield* session.dispose();
}
