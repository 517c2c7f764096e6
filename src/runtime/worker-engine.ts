/** An engine in a worker, for callers that wait for promises and for callers that block. */
import { decode, sharedBuffer, waitFor } from './shared-answer.mjs';
import type { Engine, EngineRequest, WorkerRequest } from './types.js';

/** Room for the first synchronous answer; it grows to the largest one. */
const FIRST_BUFFER_BYTES = 2 ** 16;

/** The worker, as Node and browsers have it. */
export interface WorkerPort {
  post(request: WorkerRequest): void;
  /** Called when answers are awaited, and when there are none any more. */
  keepAlive(awaited: boolean): void;
}

/** What the worker answers. */
export interface WorkerAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
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

  /** @param cannotBlock why this thread cannot wait for an answer, if so */
  constructor(port: WorkerPort, cannotBlock?: string) {
    this.port = port;
    this.cannotBlock = cannotBlock;
  }

  ask({ method, argument }: EngineRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.next += 1;
      this.pending.set(this.next, { resolve, reject });
      this.port.keepAlive(true);
      this.port.post({ id: this.next, method, argument });
    });
  }

  /** Called with every message of the worker. */
  receive({ id, result, error }: WorkerAnswer): void {
    if (error === undefined) this.settled(id)?.resolve(result);
    else this.settled(id)?.reject(new Error(error));
  }

  /** The worker has ended: nothing will be answered. */
  fail(error: Error): void {
    for (const id of this.pending.keys()) this.settled(id)?.reject(error);
  }

  askSync({ method, argument }: EngineRequest): unknown {
    this.buffer ??= sharedBuffer(FIRST_BUFFER_BYTES);
    this.port.post({ id: 0, method, argument, buffer: this.buffer });
    const { result, error } = decode(this.collected()) as Omit<WorkerAnswer, 'id'>;
    if (error !== undefined) throw new Error(error);
    return result;
  }

  private collected(): ArrayBuffer {
    const answer = waitFor(this.buffer as SharedArrayBuffer);
    if ('bytes' in answer) return answer.bytes;
    this.buffer = sharedBuffer(answer.needed);
    this.port.post({ id: 0, method: 'collect', argument: undefined, buffer: this.buffer });
    return this.collected();
  }

  private settled(id: number): Pending | undefined {
    const call = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) this.port.keepAlive(false);
    return call;
  }
}
