/** Reading a model from a file, a URL or memory. */
import { GlobalPercError } from '../graph/index.js';
import { fetchHubModel, type HubModel, type HubProgress, parseHubId } from '../hub/index.js';
import { type ExternalReader, readOnnx } from '../onnx/index.js';
import { createGraph } from '../ops/index.js';
import {
  abortSignal,
  anything,
  boolean,
  type Checks,
  callback,
  checkOptions,
  recordOf,
  refused,
  string,
} from '../options/index.js';
import { platform, type ReadOptions } from '../runtime/index.js';
import { requireFiniteWeights } from './finite-weights.js';
import type { InputValue } from './inputs.js';
import { Model } from './model.js';
import { TrainableModel } from './trainable.js';

/** How far loading is. */
export type LoadProgress = { readonly step: 'read' | 'parse' } | HubProgress;

/** Options of `loadModel`. */
export interface LoadOptions {
  /** Stops between two steps, or the download; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called when a step begins, and with the bytes of a download as they come. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Branch, tag or commit of a repository on the hub. Default `main`. */
  readonly revision?: string;
  /** Path of the ONNX file in a repository on the hub. Default: the float32 one, e.g. `onnx/model.onnx`. */
  readonly file?: string;
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

/** The values of inputs are checked where the model's are known. */
const LOAD: Checks<LoadOptions> = {
  signal: abortSignal,
  onProgress: callback,
  revision: string,
  file: string,
  trainable: boolean,
  input: string,
  inputs: recordOf<InputValue>(anything),
};

/** Where a model is read from. */
export type ModelSource = string | URL | Uint8Array | ArrayBuffer;

/**
 * Reads an ONNX model. Weights and computations of half precision become float32.
 *
 * A name such as `onnx-community/dinov2-small` (with `@revision`, if wanted), where there is no such file, is a repository
 * of the Hugging Face hub: its ONNX file is downloaded into the hub's own cache once, and its `preprocessor_config.json`
 * becomes the model's `transform`, which losses apply where they are given none. The variables `HF_HUB_OFFLINE`,
 * `HF_ENDPOINT`, `HF_TOKEN` and `HF_HOME` are honoured.
 * @param source Path or URL of an `.onnx` file (external data is looked for beside it), a repository, or a file's bytes.
 * @throws GlobalPercError when the file is missing, is not ONNX, is truncated or quantised, when its
 * external data is missing, when it cannot be downloaded, when its weights hold NaN or infinity, and on an unknown option.
 */
export function loadModel(
  source: ModelSource,
  options: LoadOptions & { readonly trainable: true },
): Promise<TrainableModel>;
export function loadModel(source: ModelSource, options?: LoadOptions & { readonly trainable?: false }): Promise<Model>;
export function loadModel(source: ModelSource, options: LoadOptions): Promise<Model | TrainableModel>;
export async function loadModel(source: ModelSource, given: LoadOptions = {}): Promise<Model | TrainableModel> {
  const options = checkOptions(given, LOAD, 'loadModel');
  const { signal, onProgress } = options;
  const inMemory = source instanceof Uint8Array || source instanceof ArrayBuffer;
  if (!inMemory && !(source instanceof URL) && (typeof source !== 'string' || source === '')) {
    throw refused('loadModel: source', "a file's path, URL or bytes, or a repository of the hub", source);
  }
  signal?.throwIfAborted();
  const located: HubModel = inMemory ? { source: 'the model' } : await locate(String(source), options);
  const name = located.source;
  onProgress?.({ step: 'read' });
  const bytes = inMemory
    ? new Uint8Array(source as ArrayBuffer)
    : await platform.readModel(name, { whole: options.trainable === true, ...readingOf(name, options) });
  signal?.throwIfAborted();
  onProgress?.({ step: 'parse' });
  const graph = createGraph();
  const files = inMemory ? [] : [name];
  const external: ExternalReader = async (location) => {
    await located.fetchBeside?.(location);
    const file = await platform.openBeside(name, location).catch((error: Error) => {
      throw new GlobalPercError(
        `${name} keeps its weights in '${location}', which should lie beside it: ${error.message}`,
        { code: 'io', cause: error },
      );
    });
    if (file.place) files.push(`${file.place.folder}/${file.place.location}`);
    return file;
  };
  await readOnnx(graph, bytes, { source: name, ...(inMemory ? {} : { external }) }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
  signal?.throwIfAborted();
  const { preprocessor = {} } = located;
  const model = new Model(inMemory ? name : String(source), graph, { ...options, preprocessor, files });
  requireFiniteWeights(model);
  return options.trainable ? new TrainableModel(model) : model;
}

/** How a file is read by its URL: it can be stopped, and tells how far it is. */
const readingOf = (name: string, { signal, onProgress }: LoadOptions): ReadOptions => ({
  ...(signal && { signal }),
  ...(onProgress && {
    onLoaded: (loaded, total) => onProgress({ step: 'download', file: nameOf(name), loaded, total }),
  }),
});

const nameOf = (source: string): string =>
  source
    .replace(/[?#].*$/, '')
    .split('/')
    .at(-1) ?? source;

/** The file that a source names: itself, or one of the hub's. */
async function locate(source: string, options: LoadOptions): Promise<HubModel> {
  const id = (await platform.exists(source)) ? undefined : parseHubId(source);
  if (id === undefined) return { source };
  const { repo, ...revision } = id;
  return fetchHubModel(repo, { ...options, ...revision });
}
