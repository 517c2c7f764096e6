/** Sessions: a compiled graph that is ready to run. */
import { platform } from '#platform';
import type { Graph } from '../graph/index.js';
import { writeOnnx } from '../onnx/index.js';
import { type SessionOptions, sessionOptions } from './session-options.js';
import type { Engine, HostTensor } from './types.js';

/** Constants from this size on reach ONNX Runtime beside the model, without a copy into it. */
const EXTERNAL_FROM = 1024;

let engine: Promise<Engine> | undefined;

const startedEngine = (): Promise<Engine> => {
  engine ??= platform.startEngine();
  return engine;
};

export class Session {
  private readonly engine: Engine;
  private readonly id: number;

  private constructor(host: Engine, id: number) {
    this.engine = host;
    this.id = id;
  }

  /** Writes the graph for the given opset and opens it in ONNX Runtime. */
  static open(graph: Graph, opset: number, options: SessionOptions = {}): Promise<Session> {
    return Session.create(graph, opset, options, false);
  }

  /** Opens a graph, runs it once without spending time on optimisation, and closes it. */
  static async runOnce(
    graph: Graph,
    opset: number,
    feeds: Readonly<Record<string, HostTensor>>,
    options: SessionOptions = {},
  ): Promise<Record<string, HostTensor>> {
    const session = await Session.create(graph, opset, options, true);
    try {
      return await session.run(feeds);
    } finally {
      await session.dispose();
    }
  }

  private static async create(graph: Graph, opset: number, options: SessionOptions, once: boolean): Promise<Session> {
    const host = await startedEngine();
    const { model, external, inPlace } = writeOnnx(graph, { opset, externalFrom: EXTERNAL_FROM, inPlace: true });
    const id = await host.create({
      model,
      external: external.map(({ path, constant }) => ({ path, data: constant.bytes })),
      options: sessionOptions(options, inPlace, once),
    });
    return new Session(host, id);
  }

  /** Runs the graph and returns the named outputs (all by default). */
  run(feeds: Readonly<Record<string, HostTensor>>, fetches?: readonly string[]): Promise<Record<string, HostTensor>> {
    return this.engine.run({ session: this.id, feeds, ...(fetches && { fetches }) });
  }

  /** Runs the graph and leaves the outputs beside the session; `release` frees them. */
  runKept(feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    return this.engine.run({ session: this.id, feeds, keep: true });
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
  ): Promise<Record<string, HostTensor>> {
    const ids = Object.fromEntries(Object.entries(replace).map(([name, { kept }]) => [name, kept as number]));
    return this.engine.run({ session: this.id, feeds, replace: ids, requireFinite });
  }

  dispose(): Promise<void> {
    return this.engine.dispose(this.id);
  }
}

/** Keeps copies of tensors beside all sessions; the results stand in for the data in later runs. */
export async function upload(tensors: readonly HostTensor[]): Promise<HostTensor[]> {
  const ids = await (await startedEngine()).upload(tensors);
  return tensors.map(({ dtype, dims }, i) => ({ dtype, dims, kept: ids[i] as number }));
}

/** The present data of kept tensors. */
export async function download(tensors: readonly HostTensor[]): Promise<HostTensor[]> {
  return (await startedEngine()).download(tensors.map(({ kept }) => kept as number));
}

/** Frees kept tensors. */
export async function release(tensors: readonly HostTensor[]): Promise<void> {
  await (await startedEngine()).release(tensors.flatMap(({ kept }) => (kept === undefined ? [] : [kept])));
}
