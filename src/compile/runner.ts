/**
 * From a drafted graph to a session that runs it: the one place where graphs are finished and opened, sessions kept and
 * freed, and calls put in turn. Every loss has a runner, and so has every trainer.
 */
import { GlobalPercError, type Graph, multiplicationsOf, type Value } from '../graph/index.js';
import {
  fold,
  fuseAttention,
  schedule,
  shareConstants,
  simplify,
  spellAttention,
  sumEarly,
  winograd,
} from '../passes/index.js';
import { providerOf, runSteps, runStepsSync, type SessionOptions, type Steps, Turns } from '../runtime/index.js';
import { CheckedSession } from './checked-session.js';
import { type Compiled, compiled, fed, inThisOrder, sizesApart, sizesOf } from './compiled.js';
import { keepWithin, say } from './memory-budget.js';
import { type OpenProgram, OpenPrograms } from './open-programs.js';
import { StoredProgram } from './program-store.js';
import { begin, type StepOptions } from './progress.js';

/** A graph as it was written down, and what its owner must know to run it. */
export interface Draft<Details> {
  readonly graph: Graph;
  readonly details: Details;
  /** Outputs that will be kept beside the session. */
  readonly stay?: readonly string[];
  /** Its owner holds on to the program, which stays open. */
  readonly held?: boolean;
  /** Its outputs that are gradients, where it is drafted for many sizes of images: they share a session where they can. */
  readonly gradients?: readonly string[];
}

/** A draft that is ready to run. */
export interface Program<Details> extends OpenProgram {
  readonly details: Details;
}

type Opened = Omit<OpenProgram, 'held'>;

/** What one run of a program takes. */
export interface Estimate {
  /** Memory: weights, and what is alive at once at most. */
  readonly bytes: number;
  /** Multiplications of its products and convolutions, which most of the time goes into. */
  readonly multiplications: number;
}

export class Runner<Details> {
  /** Whether `dispose` was called. */
  disposed = false;
  private readonly owner: string;
  private readonly session: SessionOptions;
  private readonly memory: number | undefined;
  private readonly programs = new OpenPrograms<Program<Details>>();
  private readonly turns = new Turns();

  /**
   * @param owner what messages call the thing that was disposed, e.g. `loss`. @param session for ONNX Runtime.
   * @param memory bytes that a program may take.
   */
  constructor(owner: string, session: SessionOptions, memory?: number) {
    this.owner = owner;
    this.session = session;
    this.memory = memory;
  }

  /** Carries out a task after those that were asked for before. @throws GlobalPercError after `dispose`. */
  take<T>(task: () => Promise<T>, options: StepOptions = {}): Promise<T> {
    return this.turns.take(() => {
      this.requireOpen();
      return task();
    }, options);
  }

  /** As `take`, for a computation in steps. @param before awaited first, in the same turn. */
  inTurn<T>(steps: () => Steps<T>, options: StepOptions = {}, before?: () => Promise<void> | undefined): Promise<T> {
    return this.take(async () => {
      await before?.();
      return runSteps(steps(), options);
    }, options);
  }

  /** Carries out a computation and blocks until it is done. @throws GlobalPercError while an asynchronous one runs. */
  blocking<T>(steps: () => Steps<T>, options: StepOptions = {}): T {
    this.requireOpen();
    if (this.turns.idle) return runStepsSync(steps(), options);
    throw new GlobalPercError(
      `an asynchronous call of this ${this.owner} is not done yet: await it before a synchronous one`,
      { code: 'runtime' },
    );
  }

  /** The program of a key: drafted, finished and opened where it is not open. It is to be run before another is asked for. */
  *program(
    key: string,
    draft: () => Draft<Details> | Steps<Draft<Details>>,
    options: StepOptions,
  ): Steps<Program<Details>> {
    const known = this.programs.get(key);
    if (known) return known;
    const drafted = draft();
    const made = 'graph' in drafted ? drafted : yield* drafted;
    const { details, held = false } = made;
    const program = { ...(yield* this.opened(made, options)), details, held };
    for (const { session } of this.programs.add(key, program)) yield* session.dispose();
    return program;
  }

  /** What is made of a draft, or found finished on disk, as a session. */
  private *opened(
    { graph: draft, stay, held = false, gradients }: Draft<Details>,
    options: StepOptions,
  ): Steps<Opened> {
    // What is kept of a target is taken apart from what computing it took, and freed with it. A step takes the same again and again.
    const givesBack = this.programs.areMany || (stay !== undefined && !held);
    const session = givesBack ? { enableCpuMemArena: false, ...this.session } : this.session;
    const stored = StoredProgram.of(draft, session, this.memory);
    const known = stored?.read();
    if (known) {
      begin('open', options);
      say(known, this.owner);
      return this.sharing(known) ?? (yield* this.openedOn(known, session));
    }
    const reduced = yield* this.reduced(draft, options);
    const onCpu = providerOf(session) === 'cpu';
    const { graph, given } = onCpu ? winograd(reduced) : { graph: reduced, given: new Set<Value>() };
    const free = onCpu && gradients ? sizesApart(graph, gradients, given) : undefined;
    inOrder(graph, options);
    begin('open', options);
    const cost = keepWithin(graph, this.memory, this.owner);
    say(cost, this.owner, graph);
    if (!onCpu) return { session: yield* CheckedSession.open(graph, session, stay), bytes: cost.bytes };
    const apart = free && (this.memory === undefined ? free : inThisOrder(free, graph));
    const shared = apart && this.sharing({ ...cost, ...apart, sizes: sizesOf(apart) });
    if (shared) return shared;
    const made = compiled(graph, cost, apart);
    stored?.write(made);
    return yield* this.openedOn(made, session);
  }

  /** A session of its own on the CPU. */
  private *openedOn({ written, sizes, structure, bytes }: Compiled, session: SessionOptions): Steps<Opened> {
    return { session: yield* CheckedSession.openWritten(written, session, fed(sizes)), structure, bytes };
  }

  /** The session that is open for a graph which differs in its sizes alone. */
  private sharing({ structure, sizes, bytes }: Pick<Compiled, 'structure' | 'sizes' | 'bytes'>): Opened | undefined {
    const like = structure === undefined ? undefined : this.programs.of(structure);
    const session = like?.session.sized(fed(sizes));
    return session && { session, structure, bytes };
  }

  /** What a draft will take; nothing is opened. @throws GlobalPercError where it does not keep within the budget of memory. */
  *estimated(draft: Graph, options: StepOptions): Steps<Estimate> {
    const finished = yield* this.finished(draft, options);
    const { bytes } = keepWithin(finished, this.memory, this.owner);
    const multiplications = finished.nodes.reduce((sum, node) => sum + multiplicationsOf(node), 0);
    return { bytes, multiplications };
  }

  /** A drafted graph as it is run, and as it is written to files. */
  *finished(draft: Graph, options: StepOptions): Steps<Graph> {
    return inOrder(yield* this.reduced(draft, options), options);
  }

  /** What is left to compute of a drafted graph. */
  private *reduced(draft: Graph, options: StepOptions): Steps<Graph> {
    begin('fold', options);
    fuseAttention(draft);
    const graph = simplify(spellAttention(draft));
    yield* fold(graph, this.session);
    shareConstants(graph);
    sumEarly(graph);
    return graph;
  }

  /** Closes every session, after the calls asked for before. @param last done before, while everything can still run. */
  async dispose(last: () => Promise<void> = async () => undefined): Promise<void> {
    await this.turns.take(async () => {
      if (this.disposed) return;
      await last();
      this.disposed = true;
      // An engine is started for a computation, and there may be nothing to close.
      if (!this.programs.isEmpty) await runSteps(this.close());
    });
  }

  /** Closes every session at once; `dispose` waits for its turn. */
  *close(): Steps<void> {
    for (const { session } of this.programs.clear()) yield* session.dispose();
  }

  private requireOpen(): void {
    if (!this.disposed) return;
    throw new GlobalPercError(`this ${this.owner} was disposed; make a new one`, { code: 'disposed' });
  }
}

/** Puts the nodes of a graph into the order in which they are computed. */
function inOrder(graph: Graph, { signal }: StepOptions): Graph {
  schedule(graph);
  signal?.throwIfAborted();
  return graph;
}
