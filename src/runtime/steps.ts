/**
 * Computations that ask the engine now and then, written once for callers that wait for promises and for callers that
 * block: generators that yield requests and are given the answers.
 */
import { platform } from '#platform';
import { GlobalPercError } from '../graph/index.js';
import type { Build, Engine, EngineMethods, EngineRequest } from './types.js';

/** A computation in steps; `runSteps` or `runStepsSync` carries it out, `yield*` makes it part of another. */
export type Steps<T> = Generator<EngineRequest, T, unknown>;

/** Asks the engine of a build. @throws GlobalPercError of code `out-of-memory`, `device-lost`, or `runtime` for whatever else ONNX Runtime throws. */
export function* ask<M extends keyof EngineMethods>(
  build: Build,
  method: M,
  argument: Parameters<EngineMethods[M]>[0],
): Steps<Awaited<ReturnType<EngineMethods[M]>>> {
  return (yield { build, method, argument }) as Awaited<ReturnType<EngineMethods[M]>>;
}

/** What stops a computation: between two of its requests, and before the first. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** What failed, for messages. */
const DOING: Readonly<Record<keyof EngineMethods, string>> = {
  create: 'open a session',
  run: 'run a session',
  upload: 'keep tensors beside its sessions',
  download: 'give kept tensors back',
  release: 'free kept tensors',
  dispose: 'close a session',
};

/** What is said where memory ends: by ONNX Runtime's arena, by C++, by JavaScript; and by sizes that 32-bit WebAssembly cannot count. */
const OUT_OF_MEMORY = /failed to allocate|bad_alloc|SafeIntOnOverflow|out of memory|allocation failed|\bOOM\b/i;
const DEVICE_LOST = /device (is |was )?lost|GPUDevice.*lost|external Instance reference/i;

function failure({ method }: EngineRequest, cause: unknown): GlobalPercError {
  if (cause instanceof GlobalPercError) return cause;
  const { message, code } = cause as Error & { readonly code?: unknown };
  // A file of ONNX Runtime's that is missing: nothing that it was asked is to blame.
  if (code === 'io') return new GlobalPercError(message, { code, cause });
  if (OUT_OF_MEMORY.test(message)) {
    const remedy = 'take smaller images or batches, fewer hooks or a smaller model';
    return new GlobalPercError(
      `memory ran out when ONNX Runtime was to ${DOING[method]}: ${remedy} (${message.trim()})`,
      { code: 'out-of-memory', cause },
    );
  }
  if (DEVICE_LOST.test(message)) {
    const remedy = "go on from a checkpoint, with session.executionProviders ['cpu'] or in a new process or page";
    return new GlobalPercError(`the GPU was lost, and what was kept on it: ${remedy} (${message.trim()})`, {
      code: 'device-lost',
      cause,
    });
  }
  return new GlobalPercError(`ONNX Runtime could not ${DOING[method]}: ${message.trim()}`, { code: 'runtime', cause });
}

const starting = new Map<Build, Promise<Engine>>();
const started = new Map<Build, Engine>();

async function startedEngine(build: Build): Promise<Engine> {
  const known = starting.get(build) ?? platform.startEngine(build);
  starting.set(build, known);
  const engine = await known;
  started.set(build, engine);
  return engine;
}

/**
 * Carries out a computation without blocking. An aborted signal stops it before its next request: the reason is thrown
 * into it once, and what it asks while it tidies up is still carried out.
 */
export async function runSteps<T>(steps: Steps<T>, { signal }: Abortable = {}): Promise<T> {
  signal?.throwIfAborted();
  // It loads beside this thread, which computes meanwhile what it will be asked; who asks hears why it does not start.
  startedEngine('cpu').catch(() => undefined);
  let stopped = false;
  let step = steps.next();
  while (!step.done) {
    if (signal?.aborted && !stopped) {
      stopped = true;
      step = steps.throw(signal.reason);
      continue;
    }
    const { value: request } = step;
    // An engine that does not start is no fault of the computation, which is told nothing of it: it might blame its model.
    const engine = await startedEngine(request.build);
    const resume = await engine.ask(request).then(
      (answer) => () => steps.next(answer),
      (error) => () => steps.throw(failure(request, error)),
    );
    step = resume();
  }
  return step.value;
}

/** Carries out a computation and blocks until it is done. @throws GlobalPercError where that is not possible. */
export function runStepsSync<T>(steps: Steps<T>, { signal }: Abortable = {}): T {
  signal?.throwIfAborted();
  let step = steps.next();
  while (!step.done) step = resumed(steps, step.value);
  return step.value;
}

function resumed<T>(steps: Steps<T>, request: EngineRequest): IteratorResult<EngineRequest, T> {
  const engine = blockingEngine(request.build);
  let answer: unknown;
  try {
    answer = engine.askSync?.(request);
  } catch (error) {
    return steps.throw(failure(request, error));
  }
  return steps.next(answer);
}

function blockingEngine(build: Build): Engine {
  const engine = started.get(build);
  if (engine === undefined) throw new Error('runStepsSync before the engine was started');
  if (engine.cannotBlock === undefined) return engine;
  throw new GlobalPercError(`synchronous calls are not possible here: ${engine.cannotBlock}`, { code: 'runtime' });
}
