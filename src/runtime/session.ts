/** Sessions: a compiled graph that is ready to run. */
import type { Graph } from '../graph/index.js';
import { writeOnnx } from '../onnx/index.js';
import { type SessionOptions, sessionOptions } from './session-options.js';
import { ask, type Steps } from './steps.js';
import type { HostTensor } from './types.js';

/** Constants from this size on reach ONNX Runtime beside the model, without a copy into it. */
const EXTERNAL_FROM = 1024;

export class Session {
  private readonly id: number;

  private constructor(id: number) {
    this.id = id;
  }

  /** Writes the graph for the given opset and opens it in ONNX Runtime. */
  static open(graph: Graph, opset: number, options: SessionOptions = {}): Steps<Session> {
    return Session.create(graph, opset, options, false);
  }

  /** Opens a graph, runs it once without spending time on optimisation, and closes it. */
  static *runOnce(
    graph: Graph,
    opset: number,
    feeds: Readonly<Record<string, HostTensor>>,
    options: SessionOptions = {},
  ): Steps<Record<string, HostTensor>> {
    const session = yield* Session.create(graph, opset, options, true);
    try {
      return yield* session.run(feeds);
    } finally {
      yield* session.dispose();
    }
  }

  private static *create(graph: Graph, opset: number, options: SessionOptions, once: boolean): Steps<Session> {
    const { model, external, inPlace } = writeOnnx(graph, { opset, externalFrom: EXTERNAL_FROM, inPlace: true });
    const id = yield* ask('create', {
      model,
      external: external.map(({ path, constant }) => ({ path, data: constant.bytes })),
      options: sessionOptions(options, inPlace, once),
    });
    return new Session(id);
  }

  /** Runs the graph and returns the named outputs (all by default). */
  run(feeds: Readonly<Record<string, HostTensor>>, fetches?: readonly string[]): Steps<Record<string, HostTensor>> {
    return ask('run', { session: this.id, feeds, ...(fetches && { fetches }) });
  }

  /** Runs the graph and leaves the outputs beside the session; `release` frees them. */
  runKept(feeds: Readonly<Record<string, HostTensor>>): Steps<Record<string, HostTensor>> {
    return ask('run', { session: this.id, feeds, keep: true });
  }

  /**
   * Runs the graph, and puts some outputs in the place of kept tensors: the state of a training run. Nothing is
   * replaced when one of the outputs in `requireFinite` is NaN or infinite.
   * @returns the other outputs
   */
  runInPlace(
    feeds: Readonly<Record<string, HostTensor>>,
    replace: Readonly<Record<string, HostTensor>>,
    requireFinite: readonly string[],
  ): Steps<Record<string, HostTensor>> {
    const ids = Object.fromEntries(Object.entries(replace).map(([name, { kept }]) => [name, kept as number]));
    return ask('run', { session: this.id, feeds, replace: ids, requireFinite });
  }

  dispose(): Steps<void> {
    return ask('dispose', this.id);
  }
}

/** Keeps copies of tensors beside all sessions; the results stand in for the data in later runs. */
export function* upload(tensors: readonly HostTensor[]): Steps<HostTensor[]> {
  const ids = yield* ask('upload', tensors);
  return tensors.map(({ dtype, dims }, i) => ({ dtype, dims, kept: ids[i] as number }));
}

/** The present data of kept tensors. */
export const download = (tensors: readonly HostTensor[]): Steps<HostTensor[]> =>
  ask(
    'download',
    tensors.map(({ kept }) => kept as number),
  );

/** Frees kept tensors. */
export const release = (tensors: readonly HostTensor[]): Steps<void> =>
  ask(
    'release',
    tensors.flatMap(({ kept }) => (kept === undefined ? [] : [kept])),
  );
