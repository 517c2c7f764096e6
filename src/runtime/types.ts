/** What passes between a caller and the engine that runs ONNX Runtime. */
import type { InferenceSession } from 'onnxruntime-common';
import type { DataType, TypedArray } from '../graph/index.js';
import type { ExternalFile, InPlace } from '../onnx/index.js';
import type { ReadOptions } from './url.js';

/** A concrete tensor: its data, or the id of data kept beside the session. */
export interface HostTensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data?: TypedArray;
  readonly kept?: number;
}

/**
 * The build of ONNX Runtime that runs a session: in a browser, the small one for the CPU or the larger one that reaches a GPU
 * through WebGPU too. Each has an engine of its own. In Node there is one, and it is called `cpu`.
 */
export type Build = 'cpu' | 'webgpu';

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
  /** Outputs, by name, that take the place of a kept tensor instead of being returned. */
  readonly replace?: Readonly<Record<string, number>>;
  /** Outputs that must be finite for anything to be replaced. */
  readonly requireFinite?: readonly string[];
}

/** What an engine can be asked. */
export interface EngineMethods {
  create(request: CreateRequest): Promise<number>;
  run(request: RunRequest): Promise<Record<string, HostTensor>>;
  /** Keeps copies of tensors and returns their ids. */
  upload(tensors: readonly HostTensor[]): Promise<number[]>;
  /** The present data of kept tensors. */
  download(ids: readonly number[]): Promise<HostTensor[]>;
  release(ids: readonly number[]): Promise<void>;
  dispose(session: number): Promise<void>;
}

export interface EngineCall {
  readonly method: keyof EngineMethods;
  readonly argument: unknown;
}

/** A call, and the build whose engine it is for. */
export interface EngineRequest extends EngineCall {
  readonly build: Build;
}

/** Runs sessions somewhere: a worker thread, or the page itself. */
export interface Engine {
  ask(request: EngineCall): Promise<unknown>;
  /** The same, blocking the caller; only where nothing speaks against it. */
  askSync?(request: EngineCall): unknown;
  /** Why the caller cannot block, and what to do, if so. */
  readonly cannotBlock: string | undefined;
}

/** A request to a worker; with a buffer, the answer is written there. `collect` asks again for one that did not fit. */
export interface WorkerRequest {
  readonly id: number;
  readonly method: EngineRequest['method'] | 'collect';
  readonly argument: unknown;
  readonly buffer?: SharedArrayBuffer;
}

/** The memory that sessions may fill, in bytes. */
export interface Memory {
  readonly total: number;
  /** What is free now. */
  free(): number;
}

/** What tells contents apart. */
export interface Contents {
  /** SHA-256, as hexadecimal digits. */
  digest(parts: Iterable<Uint8Array | string>): string;
}

/** What is kept on disk from process to process. Nothing of it fails: what cannot be read is not there. */
export interface Store {
  /** What has made what is kept: the build of the library, and ONNX Runtime's version. */
  readonly version: string;
  /** @param key a digest. */
  read(key: string): Uint8Array | undefined;
  write(key: string, bytes: Uint8Array): void;
}

/** What differs between Node and a browser. */
export interface Platform {
  /** Builds of ONNX Runtime there are. */
  readonly builds: readonly Build[];
  /** Starts the engine of a build; called once for each. */
  startEngine(build: Build): Promise<Engine>;
  /** Whether there is a file of this path; a browser has none. */
  exists(source: string): Promise<boolean>;
  /** Reads a file or URL. @throws GlobalPercError when it is missing or unreadable. */
  readBytes(source: string, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Reads a model; large weights may be left in its file, as external data.
   * @param options.whole whether none may
   * @throws GlobalPercError when it is missing or unreadable.
   */
  readModel(source: string, options: ReadOptions & { readonly whole: boolean }): Promise<Uint8Array>;
  /** @throws GlobalPercError when one of the files that a session is to read is not what it was when it was opened. */
  requireUnchanged(inPlace: InPlace): void;
  /** Opens a file beside a model file. @throws GlobalPercError when it is missing or unreadable. */
  openBeside(source: string, location: string): Promise<ExternalFile>;
  /** Writes files as the checkpoint of a step, whole or not at all. @throws GlobalPercError where that cannot be done. */
  writeSnapshot(folder: string, step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** The files of a folder's last checkpoint. @throws GlobalPercError when there is none. */
  readSnapshot(folder: string): Promise<Record<string, Uint8Array>>;
  /** Writes a file whole or not at all. @throws GlobalPercError where that cannot be done. */
  writeBytes(path: string, bytes: Uint8Array | Iterable<Uint8Array>): Promise<void>;
  /** @throws GlobalPercError when one of the files to write is one of those that were read: by any name, or by a link. */
  refuseOverwriting(outputs: readonly string[], inputs: readonly string[]): Promise<void>;
  /** Number of cores this process may use. */
  readonly threads: number;
  readonly memory: Memory;
  /** Undefined in a browser. */
  readonly contents: Contents | undefined;
  /** Makes a folder and those it lies in. @throws GlobalPercError where that cannot be done. */
  makeFolder(path: string): Promise<void>;
  /** Where compiled programs are kept; undefined where they are not. */
  store(): Store | undefined;
}
