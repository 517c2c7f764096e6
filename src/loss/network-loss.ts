/** Ready-made losses with a network of the package. */
import { GlobalPercError } from '../graph/index.js';
import type { Model } from '../model/index.js';
import { type Check, type Checks, refused } from '../options/index.js';
import { Normalize } from '../transforms/index.js';
import { DeferredDescription } from './deferred.js';
import type { LossDescription } from './description.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { type LoadedNetwork, loadNetwork, type Network } from './network.js';

/** Options of losses with a network of the package. */
export interface NetworkLossOptions extends LossOptions {
  /**
   * Weights of a network that the package has none of: path or URL of the `.pth` that torchvision publishes, or an ONNX
   * export of torchvision's model, as `loadModel` takes it.
   */
  readonly weights?: string | URL;
}

const place: Check<string> = (value, where) => {
  if (value instanceof URL || (typeof value === 'string' && value !== '')) return String(value);
  throw refused(where, 'path or URL of a file of weights', value);
};

export const NETWORK: Checks<NetworkLossOptions> = { ...LOSS, weights: place };

/** ImageNet's, for images in [0, 1]. */
export const IMAGENET = new Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });

/** Its files are read with its first call, or by `load`. */
export abstract class NetworkLoss extends Loss {
  readonly description: LossDescription;
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
    this.description = new DeferredDescription(async () => {
      this.loaded = await loadNetwork(network, weights === undefined ? undefined : String(weights));
      return describe(this.loaded.model);
    });
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
