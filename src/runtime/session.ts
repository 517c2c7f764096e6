/** Sessions: a compiled graph that is ready to run. */

import type { InferenceSession } from 'onnxruntime-common';
import { platform } from '#platform';
import type { Graph } from '../graph/index.js';
import { type OnnxModel, writeOnnx } from '../onnx/index.js';
import type { Engine, HostTensor } from './types.js';

/** Options of ONNX Runtime: threads, execution providers, optimisation level, … */
export type SessionOptions = InferenceSession.SessionOptions;

/** Constants from this size on reach ONNX Runtime beside the model, without a copy into it. */
const EXTERNAL_FROM = 1024;

/**
 * Memory patterns plan for the whole graph at once and keep forward buffers alive through the backward pass
 * (+75 % peak memory on a ViT at no gain in time), so they are off. What the runtime logs is not for its user: its errors are thrown as well.
 */
const DEFAULTS: SessionOptions = {
  enableMemPattern: false,
  intraOpNumThreads: platform.threads,
  logSeverityLevel: 4,
};

/**
 * Configuration keys of the runtime (https://onnxruntime.ai/docs/api/c/, onnxruntime_session_options_config_keys.h):
 * where a model in memory finds its weight files, and whether weights are copied into the layout of the kernels.
 */
const FOLDER = 'model_external_initializers_file_folder_path';
const PREPACKING = 'disable_prepacking';

/** From this size on, weights are used where the system maps them: repacked copies would double the memory. */
const PACKED_UP_TO = 2 ** 30;

const inPlaceOptions = (inPlace: OnnxModel['inPlace']): Record<string, string> => ({
  ...(inPlace && { [FOLDER]: inPlace.folder }),
  ...(inPlace && inPlace.bytes > PACKED_UP_TO && { [PREPACKING]: '1' }),
});

const sessionExtra = ({ extra }: SessionOptions): Record<string, unknown> =>
  (extra?.session as Record<string, unknown> | undefined) ?? {};

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
  static async open(graph: Graph, opset: number, options: SessionOptions = {}): Promise<Session> {
    const host = await startedEngine();
    const { model, external, inPlace } = writeOnnx(graph, { opset, externalFrom: EXTERNAL_FROM, inPlace: true });
    const id = await host.create({
      model,
      external: external.map(({ path, constant }) => ({ path, data: constant.bytes })),
      options: {
        ...DEFAULTS,
        ...options,
        extra: { ...options.extra, session: { ...inPlaceOptions(inPlace), ...sessionExtra(options) } },
      },
    });
    return new Session(host, id);
  }

  /** Opens a graph, runs it once without spending time on optimisation, and closes it. */
  static async runOnce(
    graph: Graph,
    opset: number,
    feeds: Readonly<Record<string, HostTensor>>,
    options: SessionOptions = {},
  ): Promise<Record<string, HostTensor>> {
    const session = await Session.open(graph, opset, {
      ...options,
      graphOptimizationLevel: 'disabled',
      extra: { ...options.extra, session: { [PREPACKING]: '1', ...sessionExtra(options) } },
    });
    try {
      return await session.run(feeds);
    } finally {
      await session.dispose();
    }
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
