/** An engine in a worker, for callers that wait for promises and for callers that block. */
import { GlobalPercError } from '../graph/index.js';
import { decode, sharedBuffer, waitFor } from './shared-answer.mjs';
import type { CreateRequest, Engine, EngineCall, WorkerRequest } from './types.js';

/** Room for the first synchronous answer; it grows to the largest one. */
const FIRST_BUFFER_BYTES = 2 ** 16;

/** The worker, as Node and browsers have it. */
export interface WorkerPort {
  /** @param moved Buffers that are not needed here any more. */
  post(request: WorkerRequest, moved: ArrayBuffer[]): void;
  /** Called when answers are awaited, and when there are none any more. */
  keepAlive(awaited: boolean): void;
  /** Whether the worker has not ended, for a caller that is blocked and hears no events. */
  runs(): boolean;
}

/** What the worker answers. */
export interface WorkerAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
  /** The error's own code, if it has one. */
  readonly code?: unknown;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class WorkerEngine implements Engine {
  readonly cannotBlock: string | undefined;
  private readonly port: WorkerPort;
  private readonly pending = new Map<number, Pending>();
  private next = 0;
  private buffer: SharedArrayBuffer | undefined;
  /** What every call is told once the worker has ended. */
  private ended: GlobalPercError | undefined;

  /** @param cannotBlock why this thread cannot wait for an answer, if so */
  constructor(port: WorkerPort, cannotBlock?: string) {
    this.port = port;
    this.cannotBlock = cannotBlock;
  }

  async ask({ method, argument }: EngineCall): Promise<unknown> {
    if (this.ended) throw this.ended;
    this.next += 1;
    this.port.post({ id: this.next, method, argument }, movedWith({ method, argument }));
    this.port.keepAlive(true);
    return new Promise((resolve, reject) => this.pending.set(this.next, { resolve, reject }));
  }

  /** Called with every message of the worker. */
  receive({ id, result, error, code }: WorkerAnswer): void {
    if (error === undefined) this.settled(id)?.resolve(result);
    else this.settled(id)?.reject(Object.assign(new Error(error), { code }));
  }

  /**
   * The worker has ended: calls that wait and all later ones fail. There is no second worker, since the sessions and
   * the tensors kept beside them went with the first.
   */
  fail(cause: Error): void {
    this.ended ??= endOf(cause);
    for (const id of this.pending.keys()) this.settled(id)?.reject(this.ended);
  }

  askSync({ method, argument }: EngineCall): unknown {
    if (this.ended) throw this.ended;
    this.buffer ??= sharedBuffer(FIRST_BUFFER_BYTES);
    this.port.post({ id: 0, method, argument, buffer: this.buffer }, movedWith({ method, argument }));
    const { result, error, code } = decode(this.collected(this.buffer)) as Omit<WorkerAnswer, 'id'>;
    if (error !== undefined) throw Object.assign(new Error(error), { code });
    return result;
  }

  private collected(buffer: SharedArrayBuffer): ArrayBuffer {
    const answer = waitFor(buffer, () => this.port.runs());
    if (answer === undefined) {
      // What ended it is told by an event, which calls that are awaited hear of; whatever is in the buffer is not for the next call.
      this.buffer = undefined;
      throw endOf(new Error('while a call was blocked: by an error of its own, or because its memory ran out'));
    }
    if ('bytes' in answer) return answer.bytes;
    this.buffer = sharedBuffer(answer.needed);
    this.port.post({ id: 0, method: 'collect', argument: undefined, buffer: this.buffer }, []);
    return this.collected(this.buffer);
  }

  private settled(id: number): Pending | undefined {
    const call = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) this.port.keepAlive(false);
    return call;
  }
}

/** What a worker throws that is out of memory, by Node's name for it. */
const HEAP_IS_FULL = 'ERR_WORKER_OUT_OF_MEMORY';

function endOf(cause: Error & { readonly code?: unknown }): GlobalPercError {
  const isFull = cause.code === HEAP_IS_FULL;
  const remedy = isFull ? ', with smaller images or batches, or a larger --max-old-space-size' : '';
  return new GlobalPercError(
    `the worker that runs ONNX Runtime has ended (${cause.message}), and every session with it: start the process again` +
      `${remedy}, and go on from the last checkpoint`,
    { code: isFull ? 'out-of-memory' : 'runtime', cause },
  );
}

/** The weights that a session is opened with are its own; so is the model. */
function movedWith({ method, argument }: EngineCall): ArrayBuffer[] {
  if (method !== 'create') return [];
  const { model, external } = argument as CreateRequest;
  return [...new Set([model, ...external.map(({ data }) => data)].map(({ buffer }) => buffer as ArrayBuffer))];
}
