/**
 * Node: the hub's own cache, shared with Python's huggingface_hub. For each repository, a folder
 * `models--owner--name/` with
 *   blobs/<etag>               content, named by its SHA-256 (large files) or its git hash
 *   snapshots/<commit>/<path>  links to blobs
 *   refs/<revision>            the commit a branch or tag named when it was last fetched
 *   trees/<commit>.json        all files of a commit, `{ format_version: 1, files: { path: { size, blob_id, … } } }`
 */
import { copyFile, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { reasonOf, withHome, writeAtomically } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { isCommit } from './id.js';
import { hubLibrary } from './library.js';

/** A file of a repository. */
export interface RepoFile {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 of its content (64 digits), or git's hash (40). */
  readonly etag: string;
}

/** The files of a commit. */
export interface Listing {
  readonly commit: string;
  readonly files: readonly RepoFile[];
  /** Whether these are all files of the commit, or those alone that are in the cache. */
  readonly whole: boolean;
}

/** A file in `trees/<commit>.json`: its hash in git, and of large files that of the content. */
export interface TreeEntry {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

/** The part of the cache that belongs to one repository. */
export class RepoCache {
  private constructor(readonly folder: string) {}

  /** @param repo `owner/name` */
  static async of(repo: string): Promise<RepoCache> {
    const { getHFHubCachePath, getRepoFolderName } = await hubLibrary();
    return new RepoCache(join(withHome(getHFHubCachePath()), getRepoFolderName({ type: 'model', name: repo })));
  }

  blob(file: RepoFile): string {
    return join(this.folder, 'blobs', file.etag);
  }

  pointer(commit: string, path: string): string {
    return join(this.folder, 'snapshots', commit, ...path.split('/'));
  }

  /** Whether a file is there, in its full length. */
  async has(commit: string, file: RepoFile): Promise<boolean> {
    return (await sizeOf(this.pointer(commit, file.path))) === file.size;
  }

  /** Puts a blob's file in its place in a snapshot. @throws GlobalPercError when the folder cannot be written. */
  async link(commit: string, file: RepoFile): Promise<void> {
    const pointer = this.pointer(commit, file.path);
    const temporary = `${pointer}.${crypto.randomUUID()}.tmp`;
    const blob = this.blob(file);
    await makeFolder(dirname(pointer), 'HF_HOME');
    try {
      // Not every system lets every user make links.
      await symlink(relative(dirname(pointer), blob), temporary).catch(() => copyFile(blob, temporary));
      await rename(temporary, pointer);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw new GlobalPercError(`cannot write '${pointer}': ${reasonOf(error)}`, { code: 'io', cause: error });
    }
  }

  /** What is known of a revision without asking the hub. */
  async listing(revision: string): Promise<Listing | undefined> {
    const commit = isCommit(revision) ? revision : await this.commitOf(revision);
    return commit === undefined ? undefined : ((await this.tree(commit)) ?? this.snapshot(commit));
  }

  private async commitOf(revision: string): Promise<string | undefined> {
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  /** All files of a commit, if they have been listed before. */
  async tree(commit: string): Promise<Listing | undefined> {
    try {
      const { format_version, files } = JSON.parse(await readFile(this.treePath(commit), 'utf8'));
      if (format_version !== 1) return undefined;
      const entries = Object.entries(files as Record<string, TreeEntry>);
      return {
        commit,
        whole: true,
        files: entries.map(([path, entry]) => repoFile(path, entry)),
      };
    } catch {
      // It only saves a request.
      return undefined;
    }
  }

  private treePath(commit: string): string {
    return join(this.folder, 'trees', `${commit}.json`);
  }

  private async snapshot(commit: string): Promise<Listing | undefined> {
    const folder = join(this.folder, 'snapshots', commit);
    const entries = await readdir(folder, { recursive: true }).catch(() => []);
    const files = await Promise.all(entries.map((name) => cachedFile(folder, name)));
    const present = files.filter((file) => file !== undefined);
    return present.length > 0 ? { commit, files: present, whole: false } : undefined;
  }

  /** Keeps the answer of the hub's list of a commit's files. */
  async keepTree(commit: string, files: Readonly<Record<string, TreeEntry>>): Promise<void> {
    await this.keep(this.treePath(commit), JSON.stringify({ format_version: 1, files }, null, 1));
  }

  /** Keeps which commit a branch or tag names. */
  async keepCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    await this.keep(join(this.folder, 'refs', revision), commit);
  }

  /** A cache that can be read but not written still serves. */
  private async keep(path: string, text: string): Promise<void> {
    await makeFolder(dirname(path), 'HF_HOME')
      .then(() => writeAtomically(path, text))
      .catch(() => undefined);
  }
}

/** @throws GlobalPercError when a path or hash could lead out of the cache's folder. */
export function repoFile(path: string, entry: TreeEntry): RepoFile {
  const size = entry.lfs_size ?? entry.size;
  const etag = entry.lfs_sha256 ?? entry.blob_id;
  const parts = path.split(sep === '\\' ? /[/\\:]/ : '/');
  const safe = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
  if (safe && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && Number.isSafeInteger(size) && size >= 0) {
    return { path, size, etag };
  }
  throw new GlobalPercError(
    `the hub lists a file '${path}' of ${size} bytes and hash '${etag}'; this is refused: check HF_ENDPOINT`,
    {
      code: 'io',
    },
  );
}

async function cachedFile(folder: string, name: string): Promise<RepoFile | undefined> {
  try {
    const path = join(folder, name);
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    return { path: name.split(sep).join('/'), size: status.size, etag: basename(await realpath(path)) };
  } catch {
    // A link whose blob is gone.
    return undefined;
  }
}

/** Bytes of a file, undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** @param variable names another place for it. @throws GlobalPercError when it cannot be made. */
export async function makeFolder(path: string, variable: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw new GlobalPercError(
      `cannot create the folder '${path}': ${reasonOf(error)}; ${variable} names another place for the cache`,
      { code: 'io', cause: error },
    );
  });
}
