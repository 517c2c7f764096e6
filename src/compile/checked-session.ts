/**
 * A session whose first run is compared with the CPU's, where another execution provider computes: a wrong number must not become a
 * trained network.
 */
import { GlobalPercError, type Graph } from '../graph/index.js';
import { requiredOpset } from '../ops/index.js';
import { lower } from '../passes/index.js';
import {
  download,
  type HostTensor,
  providerOf,
  Session,
  type SessionOptions,
  type Steps,
  type WrittenGraph,
  writtenGraph,
} from '../runtime/index.js';

/** How far a result may be from the CPU's, relative to its length: providers round differently, and wrong ones are far off. */
const TOLERANCE = 1e-2;

/** Results that are shorter than this are all the same: nothing but rounding. */
const NOTHING = 1e-6;

type Tensors = Readonly<Record<string, HostTensor>>;

export class CheckedSession {
  private readonly session: Session;
  private readonly options: SessionOptions;
  /** What every run is given. */
  private readonly sizes: Tensors;
  /** What is still to be compared. */
  private unchecked: Graph | undefined;

  private constructor(session: Session, options: SessionOptions, sizes: Tensors, unchecked?: Graph) {
    this.session = session;
    this.options = options;
    this.sizes = sizes;
    this.unchecked = unchecked;
  }

  /**
   * Opens a finished graph, made fit for a provider other than the CPU.
   * @param stay outputs that will be kept beside the session; integers are counted on the CPU
   */
  static *open(finished: Graph, options: SessionOptions, stay: readonly string[] = []): Steps<CheckedSession> {
    const { graph, onCpu } = lower(finished, providerOf(options));
    const written = writtenGraph(graph, requiredOpset(graph));
    const floats = new Set(graph.outputs.filter(({ dtype }) => dtype === 'float32').map(({ name }) => name));
    const purpose = { stay: stay.filter((name) => floats.has(name)), onCpu };
    return new CheckedSession(yield* Session.openWritten(written, options, purpose), options, {}, finished);
  }

  /** Opens a graph that was written for the CPU, with which there is nothing to compare. @param sizes its inputs that are the same in every run. */
  static *openWritten(written: WrittenGraph, options: SessionOptions, sizes: Tensors = {}): Steps<CheckedSession> {
    return new CheckedSession(yield* Session.openWritten(written, options, {}), options, sizes);
  }

  /** This session for a graph that differs in its sizes alone; either is disposed with the other. */
  sized(sizes: Tensors): CheckedSession {
    return new CheckedSession(this.session, this.options, sizes);
  }

  /** As `Session.run`. @throws GlobalPercError when the first results are not those of the CPU. */
  *run(feeds: Tensors): Steps<Record<string, HostTensor>> {
    const expected = yield* this.expected(feeds);
    return this.checked(yield* this.session.run({ ...feeds, ...this.sizes }), expected);
  }

  /** As `Session.runKept`. Throws as `run` does. */
  *runKept(feeds: Tensors): Steps<Record<string, HostTensor>> {
    const expected = yield* this.expected(feeds);
    const kept = yield* this.session.runKept({ ...feeds, ...this.sizes });
    if (expected) this.checked(yield* inMemory(kept, this.options), expected);
    return kept;
  }

  /** As `Session.runInPlace`. Throws as `run` does. */
  *runInPlace(feeds: Tensors, replace: Tensors, requireFinite: readonly string[]): Steps<Record<string, HostTensor>> {
    const expected = yield* this.expected(feeds);
    return this.checked(yield* this.session.runInPlace({ ...feeds, ...this.sizes }, replace, requireFinite), expected);
  }

  dispose(): Steps<void> {
    return this.session.dispose();
  }

  /** What the CPU makes of the first feeds. */
  private *expected(feeds: Tensors): Steps<Tensors | undefined> {
    const { unchecked, options } = this;
    if (unchecked === undefined) return undefined;
    const present = yield* inMemory(feeds, options);
    return yield* Session.runOnce(unchecked, requiredOpset(unchecked), present, options);
  }

  private checked(results: Record<string, HostTensor>, expected: Tensors | undefined): Record<string, HostTensor> {
    if (expected === undefined) return results;
    for (const [name, { data }] of Object.entries(results)) {
      const cpu = expected[name]?.data;
      if (data instanceof Float32Array && cpu instanceof Float32Array) this.compare(name, data, cpu);
    }
    this.unchecked = undefined;
    return results;
  }

  private compare(name: string, found: Float32Array, cpu: Float32Array): void {
    const error = length(cpu.map((value, i) => value - (found[i] as number)));
    if (error <= TOLERANCE * length(cpu) + NOTHING) return;
    const provider = providerOf(this.options);
    throw new GlobalPercError(
      `execution provider '${provider}' computes '${name}' as ${shown(found)}, the CPU as ${shown(cpu)}: ` +
        "leave out session.executionProviders, or use ['cpu'], and report the model",
      { code: 'runtime' },
    );
  }
}

/** Tensors with data: those that are kept are brought back. */
function* inMemory(feeds: Tensors, options: SessionOptions): Steps<Record<string, HostTensor>> {
  const kept = Object.entries(feeds).filter(([, { data }]) => data === undefined);
  if (kept.length === 0) return { ...feeds };
  const tensors = yield* download(
    kept.map(([, tensor]) => tensor),
    options,
  );
  return { ...feeds, ...Object.fromEntries(kept.map(([name], i) => [name, tensors[i] as HostTensor])) };
}

const length = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** A number, or the length of several. */
const shown = (values: Float32Array): string =>
  values.length === 1 ? String(values[0]) : `${values.length} numbers of length ${length(values)}`;
