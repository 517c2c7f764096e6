/** Node: models of the Hugging Face hub, downloaded once into the cache that Python's huggingface_hub uses too. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { GlobalPercError } from '../graph/index.js';
import { type Listing, makeFolder, RepoCache, type RepoFile } from './cache.js';
import { chooseFiles } from './choose.js';
import { connect, type HubConnection } from './connection.js';
import { downloadFile, type RemoteFile } from './download.js';
import { TemporaryError } from './errors.js';
import { urlOfFile } from './id.js';
import { parsePreprocessor } from './preprocessor.js';
import { listRemote } from './remote.js';
import type { HubModel, HubOptions } from './types.js';

export { parseHubId } from './id.js';
export { fetchWeights } from './torch-cache.js';

/**
 * Finds a model on the Hugging Face hub, and downloads what the cache lacks of it: the ONNX file, its external data and
 * `preprocessor_config.json`. External data of other names than the model's are left to `fetchBeside`. Chosen are
 * `options.file`, or else `onnx/model.onnx`, `model.onnx`, or the only `.onnx` file of float32 weights. A download that
 * breaks off is continued, and every file's checksum is verified.
 *
 * The environment: `HF_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME` place the cache (default `~/.cache/huggingface/hub`),
 * `HF_TOKEN` (or the file `token` in `HF_HOME`) opens private and gated repositories, `HF_ENDPOINT` names another hub,
 * `HF_HUB_OFFLINE=1` uses the cache alone, and `HF_HUB_DOWNLOAD_TIMEOUT` is how many seconds without a byte make a
 * stalled connection (default 10).
 * @param repo `owner/name`
 * @throws GlobalPercError when there is no such repository, revision or file, when the choice is ambiguous, when a
 * token is missing, when the hub cannot be reached and the cache lacks a file, when bytes arrive damaged again and
 * again, or when the cache cannot be written.
 */
export async function fetchHubModel(repo: string, options: HubOptions = {}): Promise<HubModel> {
  options.signal?.throwIfAborted();
  const connection = await connect(repo, options);
  const cache = await RepoCache.of(repo);
  const listing = await locate(connection, cache);
  const { commit, files, whole } = listing;
  const where = `${whole ? '' : 'the cache of '}'${repo}' at '${connection.revision}'`;
  const paths = files.map(({ path }) => path);
  const { model, data, preprocessor } = chooseFiles(paths, { repo, where }, options.file);
  // The model comes last: where it is, its data are too.
  const order = [preprocessor, ...data, model];
  const needed = order.flatMap((path) => files.filter((file) => file.path === path));
  const means = { connection, cache, onProgress: options.onProgress };
  await provide(needed, commit, means);
  await cache.keepCommit(connection.revision, commit);
  const fetchBeside = async (location: string): Promise<void> => {
    const wanted = posix.join(posix.dirname(model), location);
    await provide(
      files.filter(({ path }) => path === wanted),
      commit,
      means,
    );
  };
  const found = { source: cache.pointer(commit, model), fetchBeside };
  if (preprocessor === undefined) return found;
  const path = cache.pointer(commit, preprocessor);
  return { ...found, preprocessor: parsePreprocessor(await readFile(path, 'utf8'), path) };
}

/**
 * Downloads what the cache lacks of some files of a repository. Throws as `fetchHubModel` does, but for the choice.
 * @param wanted picks from the paths of all its files.
 * @returns the folder in which they lie under their paths.
 */
export async function fetchHubFiles(
  repo: string,
  wanted: (paths: readonly string[]) => readonly string[],
  options: Omit<HubOptions, 'file'> = {},
): Promise<string> {
  const connection = await connect(repo, options);
  const cache = await RepoCache.of(repo);
  const { commit, files } = await locate(connection, cache);
  const chosen = new Set(wanted(files.map(({ path }) => path)));
  const means = { connection, cache, onProgress: options.onProgress };
  await provide(
    files.filter(({ path }) => chosen.has(path)),
    commit,
    means,
  );
  await cache.keepCommit(connection.revision, commit);
  return cache.pointer(commit, '');
}

/** What is in the repository: as the hub says, or the cache when it must do. */
async function locate(connection: HubConnection, cache: RepoCache): Promise<Listing> {
  const { revision, repo, offline } = connection;
  const cached = await cache.listing(revision);
  if (offline) {
    if (cached) return cached;
    throw new GlobalPercError(
      `HF_HUB_OFFLINE is set, and '${repo}' at '${revision}' is not in the cache '${cache.folder}'; unset it to download it`,
      { code: 'io' },
    );
  }
  try {
    return await listRemote(connection, cache, cached ? 1 : undefined);
  } catch (error) {
    if (cached && error instanceof TemporaryError) return cached;
    throw error;
  }
}

interface Means {
  readonly connection: HubConnection;
  readonly cache: RepoCache;
  readonly onProgress: HubOptions['onProgress'];
}

/** Downloads those files that are not there. */
async function provide(files: readonly RepoFile[], commit: string, means: Means): Promise<void> {
  const { connection, cache, onProgress } = means;
  const present = await Promise.all(files.map((file) => cache.has(commit, file)));
  const missing = files.filter((_, i) => !present[i]);
  if (connection.offline && missing.length > 0) refuseOffline(missing, means);
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const file of missing) {
    const url = urlOfFile(connection, commit, file.path);
    const onLoaded = (loaded: number): void =>
      onProgress?.({ step: 'download', file: file.path, loaded: before + loaded, total });
    const path = cache.blob(file);
    await makeFolder(dirname(path), 'HF_HOME');
    await downloadFile({ connection, file: remote(file, connection), url, path, onLoaded });
    await cache.link(commit, file);
    before += file.size;
  }
}

/** Git hashes a header before the content. */
const remote = ({ path, size, etag }: RepoFile, { repo }: HubConnection): RemoteFile => ({
  name: `'${path}' of '${repo}'`,
  size,
  newHash: () => (etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)),
  isRight: (digest) => digest === etag,
});

function refuseOffline(missing: readonly RepoFile[], { connection, cache }: Means): never {
  const names = missing.map(({ path }) => `'${path}'`).join(', ');
  throw new GlobalPercError(
    `HF_HUB_OFFLINE is set, and the cache '${cache.folder}' lacks ${names} of '${connection.repo}'; unset it to download`,
    { code: 'io' },
  );
}
