/** Weights in several files, and the index that tells which tensor is in which, as Hugging Face writes them. */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBytes } from '../files/index.js';
import { fileKind, GlobalPercError, listed } from '../graph/index.js';

/** Names of the tensors by path of the file they are in. */
export type Shards = ReadonlyMap<string, readonly string[]>;

/** Safetensors first: where there are both, they hold the same. */
const INDEX_ENDINGS = ['.safetensors.index.json', '.bin.index.json'] as const;

/** The path itself, or the index in the folder it names. @throws GlobalPercError when the folder has none or several. */
export async function weightsFileOf(path: string): Promise<string> {
  // What is not there is reported where it is read.
  const folder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!folder) return path;
  const names = await readdir(path).catch(() => []);
  for (const ending of INDEX_ENDINGS) {
    const found = names.filter((name) => name.endsWith(ending)).sort();
    if (found.length > 1)
      throw new GlobalPercError(`'${path}' has several indices: ${listed(found)}; name the one to read`, {
        code: 'invalid-file',
      });
    if (found[0] !== undefined) return join(path, found[0]);
  }
  throw new GlobalPercError(
    `the folder '${path}' has no ${INDEX_ENDINGS.map((ending) => `*${ending}`).join(' or ')}; name the file of the weights`,
    { code: 'invalid-file' },
  );
}

/** Reads an index. @throws GlobalPercError when it is malformed or names a file outside its folder. */
export async function readIndex(path: string): Promise<Shards> {
  const shards = new Map<string, string[]>();
  for (const [name, file] of Object.entries(weightMapIn(await readBytes(path), path))) {
    if (typeof file !== 'string' || leavesFolder(file)) {
      throw new GlobalPercError(
        `'${path}': tensor '${name}' is in ${JSON.stringify(file)}; expected a file in the folder of the index`,
        { code: 'invalid-file' },
      );
    }
    const shard = join(dirname(path), file);
    const names = shards.get(shard) ?? [];
    shards.set(shard, names);
    names.push(name);
  }
  return shards;
}

function weightMapIn(bytes: Uint8Array, path: string): object {
  let cause: unknown;
  try {
    const index: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined;
    if (typeof map === 'object' && map !== null && !Array.isArray(map)) return map;
  } catch (error) {
    cause = error;
  }
  const kind = fileKind(bytes);
  const found = kind && kind !== 'JSON' ? `, but it is ${kind}` : '';
  throw new GlobalPercError(`'${path}' is not an index of weights: expected JSON with an object 'weight_map'${found}`, {
    code: 'invalid-file',
    cause,
  });
}

const leavesFolder = (file: string): boolean =>
  file.includes(':') || file.split(/[/\\]/).some((part) => part === '' || part === '.' || part === '..');
