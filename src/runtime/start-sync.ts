/** What must have happened before a thread may block. */
import { GraphBuilder } from '../graph/index.js';
import { Session } from './session.js';
import type { SessionOptions } from './session-options.js';
import { runSteps, runStepsSync } from './steps.js';

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

function identity(options: SessionOptions): ReturnType<typeof Session.runOnce> {
  const graph = new GraphBuilder(() => [{ dtype: 'float32', shape: [1] }]);
  graph.output('y', graph.input('x', 'float32', [1]));
  return Session.runOnce(graph, OPSET, { x: { dtype: 'float32', dims: [1], data: new Float32Array(1) } }, options);
}
