/**
 * Computations that ask the engine now and then, written once for callers that wait for promises and for callers that
 * block: generators that yield requests and are given the answers.
 */
import { platform } from '#platform';
import { GlobalPercError } from '../graph/index.js';
import type { Engine, EngineMethods, EngineRequest } from './types.js';

/** A computation in steps; `runSteps` or `runStepsSync` carries it out, `yield*` makes it part of another. */
export type Steps<T> = Generator<EngineRequest, T, unknown>;

/** Asks the engine. */
export function* ask<M extends keyof EngineMethods>(
  method: M,
  argument: Parameters<EngineMethods[M]>[0],
): Steps<Awaited<ReturnType<EngineMethods[M]>>> {
  return (yield { method, argument }) as Awaited<ReturnType<EngineMethods[M]>>;
}

let starting: Promise<Engine> | undefined;
let started: Engine | undefined;

async function startedEngine(): Promise<Engine> {
  starting ??= platform.startEngine();
  started = await starting;
  return started;
}

/** Carries out a computation without blocking. */
export async function runSteps<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    const { value: request } = step;
    const resume = await startedEngine()
      .then((engine) => engine.ask(request))
      .then(
        (answer) => () => steps.next(answer),
        (error) => () => steps.throw(error),
      );
    step = resume();
  }
  return step.value;
}

/** Starts an engine that can block. @throws GlobalPercError where there is none: on the main thread of a page, say. */
export async function startSync(): Promise<void> {
  requireSync(await startedEngine());
}

/** Carries out a computation and blocks until it is done; `startSync` comes first. @throws GlobalPercError as it does. */
export function runStepsSync<T>(steps: Steps<T>): T {
  if (started === undefined) throw new Error('runStepsSync before startSync');
  const askSync = requireSync(started);
  let step = steps.next();
  while (!step.done) step = resumed(steps, step.value, askSync);
  return step.value;
}

function resumed<T>(
  steps: Steps<T>,
  request: EngineRequest,
  askSync: (request: EngineRequest) => unknown,
): IteratorResult<EngineRequest, T> {
  let answer: unknown;
  try {
    answer = askSync(request);
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next(answer);
}

function requireSync(engine: Engine): (request: EngineRequest) => unknown {
  if (engine.askSync) return (request) => engine.askSync?.(request);
  throw new GlobalPercError(`synchronous calls are not possible here: ${engine.cannotBlock}`);
}
