/** Sessions: a compiled graph that is ready to run. */
import { platform } from '#platform';
import { byteLengthOf, type ConstantData, type Graph, GraphBuilder, type Tensor, type Value } from '../graph/index.js';
import { embedding, infersRightly, type OnnxModel, type WriteOptions, writeOnnx } from '../onnx/index.js';
import { type Optimizations, optimizationsFor } from './optimizations.js';
import {
  buildOf,
  type Purpose,
  providerOf,
  type SessionOptions,
  sessionOptions,
  staysWhole,
} from './session-options.js';
import { ask, type Steps } from './steps.js';
import type { Build, CreateRequest, HostTensor } from './types.js';

/** Constants from this size on reach ONNX Runtime beside the model, without a copy into it. */
const EXTERNAL_FROM = 1024;

/**
 * ONNX Runtime plans memory in a time that grows with the square of the number of nodes, unless it knows no ranks: opening a step of Stable Diffusion's
 * U-Net with a loss of DINOv2, 20,000 nodes, takes 5 seconds of CPU; 23 where it is told what Reshapes and Gemms give.
 */
const MANY = 8000;

/** Operator set of the graphs that only hand tensors through. */
const OPSET = 20;

/** A graph in the form in which ONNX Runtime is given it, and what it is to be told with it. */
export interface WrittenGraph extends Pick<OnnxModel, 'model' | 'inPlace'> {
  /** Weights by the path under which the model refers to them. */
  readonly external: readonly { readonly path: string; readonly constant: ConstantData }[];
  /** Whether the types that ONNX Runtime infers must be those of the graph. */
  readonly strict: boolean;
  readonly optimizations: Optimizations;
}

/** How a graph is written. */
export interface Writing {
  /** It is run once, when nobody looks at its types. */
  readonly once?: boolean;
  /**
   * Memory counts. ONNX Runtime holds a buffer for the next tensor of the same shape, however late that comes: a step of a U-Net takes 960 MB where it
   * does not know the shapes, and 1115 MB where it does.
   */
  readonly frugal?: boolean;
  /** Constants that every run is given instead, since they are others for other sizes of images; no sizes are told then. */
  readonly given?: readonly Value[] | undefined;
}

/** A graph as ONNX Runtime is given it. */
export function writtenGraph(
  graph: Graph,
  opset: number,
  { once = false, frugal = false, given }: Writing = {},
): WrittenGraph {
  const strict = !once && !frugal && !given && infersRightly(graph);
  const { model, external, inPlace } = writeOnnx(graph, {
    opset,
    externalFrom: EXTERNAL_FROM,
    allTypes: strict,
    openInputs: given ? 'sizes' : openFor(graph, frugal),
    given,
    inPlace: true,
  });
  return { model, external, inPlace, strict, optimizations: optimizationsFor(graph, staysWhole(inPlace)) };
}

const openFor = ({ nodes }: Graph, frugal: boolean): WriteOptions['openInputs'] =>
  frugal ? (nodes.length > MANY ? 'ranks' : 'sizes') : undefined;

export class Session {
  private readonly id: number;
  private readonly build: Build;

  private constructor(id: number, build: Build) {
    this.id = id;
    this.build = build;
  }

  /**
   * Writes the graph for the given opset and opens it in ONNX Runtime.
   */
  static open(
    graph: Graph,
    opset: number,
    options: SessionOptions = {},
    purpose: Omit<Purpose, 'once'> = {},
  ): Steps<Session> {
    return Session.openWritten(writtenGraph(graph, opset), options, purpose);
  }

  /** Opens a graph, runs it once, on the CPU and without spending time on optimisation, and closes it. */
  static *runOnce(
    graph: Graph,
    opset: number,
    feeds: Readonly<Record<string, HostTensor>>,
    options: SessionOptions = {},
  ): Steps<Record<string, HostTensor>> {
    const session = yield* Session.openWritten(writtenGraph(graph, opset, { once: true }), options, { once: true });
    try {
      return yield* session.run(feeds);
    } finally {
      yield* session.dispose();
    }
  }

  /** Opens a graph that is written already. */
  static *openWritten(
    { model, external, ...about }: WrittenGraph,
    options: SessionOptions,
    purpose: Purpose,
  ): Steps<Session> {
    // The build for the CPU has kernels that the one for WebGPU lacks, such as those of double precision.
    const build = purpose.once ? 'cpu' : buildOf(options);
    const isWhole = about.inPlace !== undefined;
    if (about.inPlace) platform.requireUnchanged(about.inPlace);
    const id = yield* ask(build, 'create', {
      model: isWhole ? embedding(model, external) : model,
      external: isWhole ? [] : together(external),
      options: sessionOptions(options, { ...purpose, ...about }),
    });
    return new Session(id, build);
  }

  /** Runs the graph and returns the named outputs (all by default). */
  run(feeds: Readonly<Record<string, HostTensor>>, fetches?: readonly string[]): Steps<Record<string, HostTensor>> {
    return ask(this.build, 'run', { session: this.id, feeds, ...(fetches && { fetches }) });
  }

  /** Runs the graph and leaves the outputs beside the session; `release` frees them. */
  runKept(feeds: Readonly<Record<string, HostTensor>>): Steps<Record<string, HostTensor>> {
    return ask(this.build, 'run', { session: this.id, feeds, keep: true });
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
    return ask(this.build, 'run', { session: this.id, feeds, replace: ids, requireFinite });
  }

  dispose(): Steps<void> {
    return ask(this.build, 'dispose', this.id);
  }
}

/** Keeps copies of tensors beside the sessions of the same options; the results stand in for the data in later runs. */
export function* upload(tensors: readonly HostTensor[], options: SessionOptions): Steps<HostTensor[]> {
  const ids = yield* ask(buildOf(options), 'upload', tensors);
  return tensors.map(({ dtype, dims }, i) => ({ dtype, dims, kept: ids[i] as number }));
}

/** The present data of kept tensors. */
export function* download(tensors: readonly HostTensor[], options: SessionOptions): Steps<HostTensor[]> {
  if (providerOf(options) !== 'webgpu') return yield* ask(buildOf(options), 'download', tensors.map(idOf));
  // Not every build of ONNX Runtime reads a buffer of the device; all hand it to a graph.
  const graph = new GraphBuilder((_, [input]) => [input as Tensor]);
  const feeds = Object.fromEntries(tensors.map((tensor, i) => [`input_${i}`, tensor]));
  for (const [name, { dtype, dims }] of Object.entries(feeds)) {
    const [output] = graph.emit('Identity', [graph.input(name, dtype, dims)]);
    graph.output(name.replace('input', 'output'), output as Tensor);
  }
  const session = yield* Session.open(graph, OPSET, options);
  try {
    const outputs = yield* session.run(feeds);
    return tensors.map((_, i) => outputs[`output_${i}`] as HostTensor);
  } finally {
    yield* session.dispose();
  }
}

/** Frees kept tensors. */
export const release = (tensors: readonly HostTensor[], options: SessionOptions): Steps<void> =>
  ask(buildOf(options), 'release', tensors.filter(({ kept }) => kept !== undefined).map(idOf));

const idOf = ({ kept }: HostTensor): number => kept as number;

/** The runtime reads a tensor where it lies. */
const ALIGNMENT = 64;

/**
 * Copies of weights in one buffer, which moves to the worker: a weight is mostly a part of its file, and all of that would be sent
 * with it.
 */
function together(external: WrittenGraph['external']): CreateRequest['external'] {
  const sizes = external.map(({ constant }) => Math.ceil(byteLengthOf(constant) / ALIGNMENT) * ALIGNMENT);
  const buffer = new ArrayBuffer(sizes.reduce((sum, size) => sum + size, 0));
  let end = 0;
  return external.map(({ path, constant }, i) => {
    const data = new Uint8Array(buffer, end, byteLengthOf(constant));
    end += sizes[i] as number;
    data.set(constant.bytes);
    return { path, data };
  });
}
