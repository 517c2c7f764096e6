/** Ready-made losses with a network of the package. */
import { GlobalPercError } from '../graph/index.js';
import type { DownloadOptions } from '../hub/index.js';
import type { Model } from '../model/index.js';
import { abortSignal, type Check, type Checks, callback, checkOptions, refused } from '../options/index.js';
import { Normalize } from '../transforms/index.js';
import { DeferredDescription } from './deferred.js';
import type { LossDescription } from './description.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { type LoadedNetwork, loadNetwork, type Network } from './network.js';

/** Options of losses with a network of the package. */
export interface NetworkLossOptions extends LossOptions {
  /**
   * Weights of a network that the package has none of: path or URL of the `.pth` that torchvision publishes, or an ONNX
   * export of torchvision's model, as `loadModel` takes it. In Node a `.pth` by URL is downloaded once, into the folder that
   * PyTorch keeps it in, `~/.cache/torch/hub/checkpoints` (`TORCH_HOME` and `XDG_CACHE_HOME` are honoured), if its name ends in
   * the beginning of its SHA-256 as PyTorch's do; it is read from its URL each time otherwise, and in a browser, whose own
   * cache then serves it.
   */
  readonly weights?: string | URL;
}

const place: Check<string> = (value, where) => {
  if (value instanceof URL || (typeof value === 'string' && value !== '')) return String(value);
  throw refused(where, 'path or URL of a file of weights', value);
};

const LOAD: Checks<DownloadOptions> = {
  signal: abortSignal,
  onProgress: callback,
};

export const NETWORK: Checks<NetworkLossOptions> = { ...LOSS, weights: place };

/** ImageNet's, for images in [0, 1]. */
export const IMAGENET = new Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });

/** Its files are read with its first call, or by `load`. */
export abstract class NetworkLoss extends Loss {
  readonly description: LossDescription;
  private readonly deferred: DeferredDescription;
  private loaded: LoadedNetwork | undefined;

  /**
   * @param owner what messages call it. @param describe what it computes with the network.
   * @throws GlobalPercError on an unknown option, without the weights that the network needs, and with others.
   */
  constructor(
    owner: string,
    network: Network,
    { weights, ...options }: NetworkLossOptions,
    describe: (model: Model) => LossDescription,
  ) {
    super(options);
    requireWeights(owner, network, weights);
    this.deferred = new DeferredDescription(async (step) => {
      const loaded = await loadNetwork(network, weights === undefined ? undefined : String(weights), step);
      this.loaded = loaded;
      return { description: describe(loaded.model), files: loaded.files };
    });
    this.description = this.deferred;
  }

  /**
   * Reads and checks its files, which otherwise the first call does.
   * @throws GlobalPercError when a file cannot be downloaded or read, is damaged or of another network.
   */
  async load(options: DownloadOptions = {}): Promise<this> {
    await this.deferred.load(checkOptions(options, LOAD, `${this.constructor.name}.load`));
    return this;
  }

  /** The network, once it is loaded. */
  protected get loadedModel(): Model {
    if (this.loaded) return this.loaded.model;
    throw new Error('a network was asked for before it was loaded');
  }

  /** SHA-256 of the `.pth` that the weights came from, in hexadecimal, once it is loaded; a page has it over HTTPS only. */
  get sha256(): string | undefined {
    return this.loaded?.sha256;
  }
}

function requireWeights(owner: string, { torchvision }: Network, weights: string | URL | undefined): void {
  if ((torchvision === undefined) === (weights === undefined)) return;
  const message = torchvision
    ? `${owner} needs the weights of torchvision's ${torchvision.name}: { weights: '…' }, on the command line --weights, a file or URL such as ${torchvision.url}`
    : `${owner} has its weights in the package and takes no others, got ${weights}`;
  throw new GlobalPercError(message, { code: 'invalid-option' });
}
