/** What passes between a caller and the engine that runs ONNX Runtime. */
import type { InferenceSession } from 'onnxruntime-common';
import type { DataType, TypedArray } from '../graph/index.js';

/** A concrete tensor: its data, or the id of data kept beside the session. */
export interface HostTensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data?: TypedArray;
  readonly kept?: number;
}

export interface CreateRequest {
  readonly model: Uint8Array;
  readonly external: { readonly path: string; readonly data: Uint8Array }[];
  readonly options: InferenceSession.SessionOptions;
}

export interface RunRequest {
  readonly session: number;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Outputs to compute; all when absent. */
  readonly fetches?: readonly string[];
  /** Leave the outputs beside the session and return their ids. */
  readonly keep?: boolean;
}

/** Runs sessions somewhere: a worker thread, or the page itself. */
export interface Engine {
  create(request: CreateRequest): Promise<number>;
  run(request: RunRequest): Promise<Record<string, HostTensor>>;
  release(ids: readonly number[]): Promise<void>;
  dispose(session: number): Promise<void>;
}

export interface WorkerRequest {
  readonly id: number;
  readonly method: keyof Engine;
  readonly argument: unknown;
}

/** What differs between Node and a browser. */
export interface Platform {
  /** Starts the engine; called once. */
  startEngine(): Promise<Engine>;
  /** Reads a file or URL. @throws GlobalPercError when it is missing or unreadable. */
  readBytes(source: string): Promise<Uint8Array>;
  /** Resolves a path beside a model file. */
  beside(source: string, location: string): string;
  /** Number of cores this process may use. */
  readonly threads: number;
}
