/** Reading a model from a file, a URL or memory. */
import { GlobalPercError } from '../graph/index.js';
import { type ExternalReader, readOnnx } from '../onnx/index.js';
import { createGraph } from '../ops/index.js';
import { platform } from '../runtime/index.js';
import type { InputValue } from './inputs.js';
import { Model } from './model.js';
import { TrainableModel } from './trainable.js';

/** Options of `loadModel`. */
export interface LoadOptions {
  /** Stops between two steps; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly step: 'read' | 'parse' }) => void;
  /** Gives a module whose weights a Trainer can train, instead of a frozen model. Default false. */
  readonly trainable?: boolean;
  /** Name of the input that receives the image. Default: the only float32 input, or the only one of rank 4. */
  readonly input?: string;
  /**
   * Constant values of other inputs by name, e.g. `{ timestep: 10, encoder_hidden_states: { data, dims } }`; a number
   * fills the input. Those left out are given with every call of the loss.
   */
  readonly inputs?: Readonly<Record<string, InputValue>>;
}

type Source = string | URL | Uint8Array | ArrayBuffer;

/**
 * Reads an ONNX model of float32 weights.
 * @param source Path or URL of an `.onnx` file (external data is looked for beside it), or its bytes.
 * @throws GlobalPercError when the file is missing, is not ONNX, is truncated, quantised or half precision, or when its
 * external data is missing.
 */
export function loadModel(source: Source, options: LoadOptions & { readonly trainable: true }): Promise<TrainableModel>;
export function loadModel(source: Source, options?: LoadOptions & { readonly trainable?: false }): Promise<Model>;
export async function loadModel(source: Source, options: LoadOptions = {}): Promise<Model | TrainableModel> {
  const { signal, onProgress } = options;
  const inMemory = source instanceof Uint8Array || source instanceof ArrayBuffer;
  const name = inMemory ? 'the model' : String(source);
  signal?.throwIfAborted();
  onProgress?.({ step: 'read' });
  const bytes = inMemory ? new Uint8Array(source as ArrayBuffer) : await platform.readBytes(name);
  signal?.throwIfAborted();
  onProgress?.({ step: 'parse' });
  const graph = createGraph();
  const external: ExternalReader = (location) =>
    platform.openBeside(name, location).catch((error: Error) => {
      throw new GlobalPercError(
        `${name} keeps its weights in '${location}', which should lie beside it: ${error.message}`,
      );
    });
  await readOnnx(graph, bytes, { source: name, ...(inMemory ? {} : { external }) });
  signal?.throwIfAborted();
  const model = new Model(name, graph, options);
  return options.trainable ? new TrainableModel(model) : model;
}
