/** Node: what the hub knows of a repository. */
import { GlobalPercError } from '../graph/index.js';
import { type Listing, type RepoCache, repoFile, type TreeEntry } from './cache.js';
import { get, type HubConnection, retry } from './connection.js';
import { TemporaryError } from './errors.js';
import { isCommit } from './id.js';
import { hubLibrary } from './library.js';

/**
 * The files of the commit that a revision names now; the list is kept in the cache.
 * @param attempts How often a busy or unreachable server is asked.
 * @throws GlobalPercError when there is no such repository or revision, and TemporaryError when the hub cannot be
 * reached.
 */
export async function listRemote(connection: HubConnection, cache: RepoCache, attempts?: number): Promise<Listing> {
  const { revision } = connection;
  const commit = isCommit(revision) ? revision : await retry(connection, () => findCommit(connection), attempts);
  const known = await cache.tree(commit);
  if (known) return known;
  const tree = await retry(connection, () => listTree(connection, commit), attempts);
  const listing = { commit, whole: true, files: Object.entries(tree).map(([path, entry]) => repoFile(path, entry)) };
  await cache.keepTree(commit, tree);
  return listing;
}

async function findCommit(connection: HubConnection): Promise<string> {
  const { modelInfo } = await hubLibrary();
  const { repo: name, revision, endpoint: hubUrl } = connection;
  const request = { name, revision, hubUrl, additionalFields: ['sha' as const], fetch: fetchFor(connection) };
  const { sha } = await modelInfo(request).catch(notAHub(connection));
  return isCommit(sha) ? sha : notAHub(connection)(new Error(`it names the commit '${sha}'`));
}

async function listTree(connection: HubConnection, revision: string): Promise<Record<string, TreeEntry>> {
  const { listFiles } = await hubLibrary();
  const { repo: name, endpoint: hubUrl } = connection;
  const request = { repo: { type: 'model' as const, name }, revision, hubUrl, recursive: true };
  const tree: Record<string, TreeEntry> = {};
  try {
    for await (const entry of listFiles({ ...request, fetch: fetchFor(connection) })) {
      if (entry.type !== 'file') continue;
      const { path, size, oid = '', lfs, xetHash } = entry;
      tree[path] = {
        size,
        blob_id: oid,
        ...(lfs && { lfs_sha256: lfs.oid, lfs_size: lfs.size }),
        ...(xetHash !== undefined && { xet_hash: xetHash }),
      };
    }
  } catch (error) {
    notAHub(connection)(error);
  }
  return tree;
}

/** `fetch` with the token, the caller's signal and an end to patience. */
function fetchFor(connection: HubConnection): typeof fetch {
  return (url) =>
    get(connection, String(url), {}, async ({ headers, status }, body) => {
      const parts: Uint8Array[] = [];
      for await (const part of body) parts.push(part);
      return new Response(Buffer.concat(parts), { headers, status });
    });
}

/** A network's login page answers everything, but not as the hub does. */
const notAHub =
  ({ endpoint }: HubConnection) =>
  (error: unknown): never => {
    if (error instanceof GlobalPercError) throw error;
    throw new TemporaryError(`${endpoint} did not answer as a Hugging Face hub does: ${(error as Error).message}`);
  };
