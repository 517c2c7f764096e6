/** What a model on the hub is asked for with, and what comes of it. */

/** Bytes of a download so far. */
export interface HubProgress {
  readonly step: 'download';
  /** Path, in the repository, of the file on its way; the name of a file of weights. */
  readonly file: string;
  /** Bytes of all files that are there already. */
  readonly loaded: number;
  /** Bytes of all files that have to be downloaded. */
  readonly total: number;
}

/** What stops a download, and what is told of it. */
export interface DownloadOptions {
  /** Stops the download; the promise rejects with the signal's reason. What has come is kept and continued later. */
  readonly signal?: AbortSignal;
  /** Called as bytes arrive; not for what the cache holds, nor where a server does not tell how many there are. */
  readonly onProgress?: (progress: HubProgress) => void;
}

/** Options of `fetchHubModel`. */
export interface HubOptions extends DownloadOptions {
  /** Branch, tag or commit. A commit that is in the cache needs no network. Default `main`. */
  readonly revision?: string;
  /** Path of the ONNX file in the repository. Default: the float32 one, see `fetchHubModel`. */
  readonly file?: string;
}

/** A model of the hub, ready to be read. */
export interface HubModel {
  /** Path (Node) or URL (browser) of the `.onnx` file; its external data lie beside it. */
  readonly source: string;
  /** The content of `preprocessor_config.json`, if the repository has one. */
  readonly preprocessor?: Record<string, unknown>;
  /**
   * Node: downloads a file of the repository, if there is such a one, by its path from the model's folder: external data
   * may have any name, which the model alone tells.
   */
  readonly fetchBeside?: (location: string) => Promise<void>;
}

/** A repository at one revision, for messages and requests. */
export interface RepoRevision {
  /** Base URL of the hub, without a slash at its end. */
  readonly endpoint: string;
  /** `owner/name` */
  readonly repo: string;
  readonly revision: string;
}
