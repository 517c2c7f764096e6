/** The networks of ready-made losses: their graphs come with the package, their weights do too or are the caller's. */
import { differences, GlobalPercError, type Shape, typedArray } from '../graph/index.js';
import { type DownloadOptions, fetchWeights } from '../hub/index.js';
import { loadModel, type Model, type TensorLike } from '../model/index.js';
import { platform } from '../runtime/index.js';

/** A network of the package. */
export interface Network {
  /** Its file; whatever has no weights in it takes them as inputs, under the names of torchvision's state dict. */
  readonly file: URL;
  /** Name of the model in torchvision, and where its weights are published; absent for a network with weights. */
  readonly torchvision?: { readonly name: string; readonly url: string };
}

/** A file of weights that torchvision publishes: `vgg16-397923af.pth` is that of `vgg16`. */
export const publishedAt = (file: string): NonNullable<Network['torchvision']> => ({
  name: file.slice(0, file.indexOf('-')),
  url: `https://download.pytorch.org/models/${file}`,
});

/** A network with its weights. */
export interface LoadedNetwork {
  readonly model: Model;
  /** Files that the weights were read from. */
  readonly files: readonly string[];
  /** SHA-256 of the file of weights, in hexadecimal; absent where none was read, or where a page may not compute it. */
  readonly sha256?: string;
}

const IMAGE = { input: 'image' };
const BUNDLERS = 'https://github.com/globalperc/globalperc/blob/main/docs/bundlers.md';

/**
 * Loads a network of the package.
 * @param weights path or URL of torchvision's `.pth`, or an ONNX export of that model as `loadModel` takes it.
 * @throws GlobalPercError when a file cannot be downloaded or read or is damaged, and when the weights are those of another
 * network.
 */
export async function loadNetwork(
  { file, torchvision }: Network,
  weights: string | undefined,
  options: DownloadOptions,
): Promise<LoadedNetwork> {
  const network = await ownModel(file, options);
  if (torchvision === undefined || weights === undefined) return { model: network, files: [] };
  const expected = new Map(network.openInputs.map(({ name, declaredShape }) => [name, declaredShape as Shape]));
  const { tensors, files, sha256 } = await readWeights(weights, (name) => expected.has(name), options);
  const shapes = new Map(Array.from(tensors, ([name, { dims }]) => [name, dims]));
  const different = differences(shapes, expected, torchvision.name);
  if (different !== '') {
    throw new GlobalPercError(
      `${weights} does not hold the weights of torchvision's ${torchvision.name} (${different}); ` +
        `they are published at ${torchvision.url}`,
      { code: 'invalid-file' },
    );
  }
  const model = await loadModel(file, { ...IMAGE, inputs: Object.fromEntries(tensors) });
  return { model, files, ...(sha256 !== undefined && { sha256 }) };
}

/** A network without its weights. A page that was bundled by hand may lack it. */
function ownModel(file: URL, { signal, onProgress }: DownloadOptions): Promise<Model> {
  const loading = loadModel(file, {
    ...IMAGE,
    ...(signal && { signal }),
    onProgress: (progress) => {
      if (progress.step === 'download') onProgress?.(progress);
    },
  });
  return loading.catch((error: Error) => {
    if (!(error instanceof GlobalPercError) || error.code !== 'io') throw error;
    const message = `${error.message}; it is in node_modules/globalperc/assets: serve it at that address (${BUNDLERS})`;
    throw new GlobalPercError(message, { code: 'io', cause: error });
  });
}

/** The constants that a network of the package comes with, by name. */
export const constantsOf = ({ graph }: Model): ReadonlyMap<string, readonly number[]> =>
  new Map(
    graph.outputs.flatMap(({ name, constant }) =>
      constant ? [[name, Array.from(typedArray(constant.dtype, constant.bytes) as Float32Array)] as const] : [],
    ),
  );

interface Weights {
  readonly tensors: ReadonlyMap<string, TensorLike>;
  readonly files: readonly string[];
  readonly sha256?: string | undefined;
}

/** How PyTorch's files end; behind it, an address may have more. The hash is the beginning of the file's. */
const TORCH_FILE = /(?:-([0-9a-f]{8,64}))?\.pth?(?:[?#].*)?$/;

const readWeights = (source: string, wanted: (name: string) => boolean, options: DownloadOptions): Promise<Weights> =>
  TORCH_FILE.test(source) ? readTorchWeights(source, wanted, options) : readOnnxWeights(source, wanted);

async function readTorchWeights(
  source: string,
  wanted: (name: string) => boolean,
  options: DownloadOptions,
): Promise<Weights> {
  const file = await fetchWeights(source, options);
  const bytes = await platform.readBytes(file);
  const sha256 = await sha256Of(bytes);
  requireNamedHash(
    file,
    sha256,
    file === source ? 'download it again' : `delete it, and ${source} is downloaded again`,
  );
  const [{ readTorchFile }, { inMemory }] = await Promise.all([
    import('../data/torch-file.js'),
    import('../data/byte-cursor.js'),
  ]);
  const tensors = await readTorchFile(inMemory(bytes), `'${file}'`, wanted);
  return { tensors: tensors as ReadonlyMap<string, TensorLike>, files: [file], sha256 };
}

/** PyTorch's files are named after the beginning of their hash. */
function requireNamedHash(file: string, sha256: string | undefined, remedy: string): void {
  const named = TORCH_FILE.exec(file)?.[1];
  if (named === undefined || sha256 === undefined || sha256.startsWith(named)) return;
  throw new GlobalPercError(
    `${file} is damaged: its SHA-256 should begin with ${named}, as its name tells, and is ${sha256}; ${remedy}`,
    { code: 'invalid-file' },
  );
}

/** In hexadecimal; pages that did not come over HTTPS are given none. */
async function sha256Of(bytes: Uint8Array): Promise<string | undefined> {
  const digest = await globalThis.crypto?.subtle?.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return digest && Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Exporters keep the names of weights. */
async function readOnnxWeights(source: string, wanted: (name: string) => boolean): Promise<Weights> {
  const { graph, files } = await loadModel(source);
  const read = graph.nodes.flatMap(({ inputs }) => inputs);
  const tensors = read.flatMap((value) => {
    if (value?.constant === undefined || !wanted(value.name)) return [];
    const { dtype, shape, bytes } = value.constant;
    return [[value.name, { dims: [...shape], data: typedArray(dtype, bytes) as Float32Array }] as const];
  });
  return { tensors: new Map(tensors), files };
}
