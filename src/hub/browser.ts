/**
 * Browsers: the files of a repository by URL; the browser's own cache keeps them.
 * `@huggingface/hub` does not bundle for browsers without its Node half, and one request is enough here.
 */
import { GlobalPercError } from '../graph/index.js';
import { chooseFiles } from './choose.js';
import { connectionError, refusal } from './errors.js';
import { checkNames, urlOfFile } from './id.js';
import { parsePreprocessor } from './preprocessor.js';
import type { HubModel, HubOptions, RepoRevision } from './types.js';

export { parseHubId } from './id.js';

const ENDPOINT = 'https://huggingface.co';
const ACCESS = 'host the file yourself and load it by its URL: a page should carry no token';

/**
 * Finds a model on the Hugging Face hub. Chosen are `options.file`, or else `onnx/model.onnx`, `model.onnx`, or the only
 * `.onnx` file of float32 weights.
 * @param repo `owner/name`
 * @returns the URL of the file, pinned to the commit that the revision names now, so that a model and its external data
 * belong together.
 * @throws GlobalPercError when there is no such repository, revision or file, when the repository is not public, when
 * the choice is ambiguous, or the hub cannot be reached.
 */
export async function fetchHubModel(repo: string, options: HubOptions = {}): Promise<HubModel> {
  const { revision = 'main', signal } = options;
  checkNames(repo, revision);
  const from: RepoRevision = { endpoint: ENDPOINT, repo, revision };
  const about = `${ENDPOINT}/api/models/${repo}/revision/${encodeURIComponent(revision)}`;
  const { sha, siblings } = commitOf(await read(about, from, signal), about);
  const files = chooseFiles(siblings, { repo, where: `'${repo}' at '${revision}'` }, options.file);
  const source = urlOfFile(from, sha, files.model);
  if (files.preprocessor === undefined) return { source };
  const place = urlOfFile(from, sha, files.preprocessor);
  return { source, preprocessor: parsePreprocessor(await read(place, from, signal), place) };
}

/** Where a file of weights can be read: where it is. A page keeps no files; the browser's own cache serves it again. */
export async function fetchWeights(source: string): Promise<string> {
  return source;
}

async function read(url: string, from: RepoRevision, signal: AbortSignal | undefined): Promise<string> {
  const failed = (error: unknown): never => {
    signal?.throwIfAborted();
    throw connectionError(error, 'cannot reach', from);
  };
  const response = await fetch(url, signal ? { signal } : {}).catch(failed);
  if (!response.ok) throw refusal(response, from, ACCESS);
  return response.text().catch(failed);
}

function commitOf(text: string, url: string): { readonly sha: string; readonly siblings: readonly string[] } {
  try {
    const { sha, siblings } = JSON.parse(text) as { sha: string; siblings: readonly { rfilename: string }[] };
    return { sha, siblings: siblings.map(({ rfilename }) => rfilename) };
  } catch (error) {
    const message = `${url} did not answer as a Hugging Face hub does: ${text.slice(0, 60)}; check the hub's address`;
    throw new GlobalPercError(message, { code: 'io', cause: error });
  }
}
