/** Node: files of weights by URL, kept where torch.hub keeps them: who has used a network in PyTorch has its file already. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { userCache, withHome } from '../files/index.js';
import { makeFolder, sizeOf } from './cache.js';
import type { Connection } from './connection.js';
import { downloadFile } from './download.js';
import { fileRefusal } from './errors.js';
import type { DownloadOptions } from './types.js';

/** torch's convention: behind a hyphen, a name tells the beginning of the file's SHA-256. */
const WITH_HASH = /^[\w.%-]*-([0-9a-f]{8,64})\.pth?$/;

/** Seconds without a byte after which a server is given up. */
const PATIENCE = 10;

/**
 * Where a file of weights can be read. One at an address whose name ends in the beginning of its SHA-256, as those do that
 * PyTorch publishes (`vgg16-397923af.pth`), is downloaded into torch.hub's cache, unless it is there:
 * `$TORCH_HOME/hub/checkpoints`, by default `~/.cache/torch/hub/checkpoints` (`XDG_CACHE_HOME` is honoured). A download that
 * breaks off is continued, and takes its place when its checksum is right. A path stays as it is; so does any other
 * address, since nothing tells whether a file of that name in the cache is the one that is meant.
 * @param source path or URL.
 * @throws GlobalPercError when the server cannot be reached or refuses, when bytes arrive damaged again and again, or when
 * the cache cannot be written.
 */
export async function fetchWeights(source: string, { signal, onProgress }: DownloadOptions = {}): Promise<string> {
  signal?.throwIfAborted();
  const url = /^https?:/i.test(source) && URL.canParse(source) ? new URL(source) : undefined;
  const name = url?.pathname.split('/').at(-1) ?? '';
  const [, hash] = WITH_HASH.exec(name) ?? [];
  if (url === undefined || hash === undefined) return source;
  const folder = checkpoints();
  const path = join(folder, name);
  if ((await sizeOf(path)) !== undefined) return path;
  await makeFolder(folder, 'TORCH_HOME');
  await downloadFile({
    connection: connectionTo(url, signal),
    file: {
      name: `'${source}'`,
      newHash: () => createHash('sha256'),
      isRight: (digest) => digest.startsWith(hash),
    },
    url: source,
    path,
    onLoaded: (loaded, total) => {
      if (total !== undefined) onProgress?.({ step: 'download', file: name, loaded, total });
    },
  });
  return path;
}

function checkpoints(): string {
  const { TORCH_HOME } = process.env;
  return join(TORCH_HOME ? withHome(TORCH_HOME) : userCache('torch'), 'hub', 'checkpoints');
}

const connectionTo = (url: URL, signal: AbortSignal | undefined): Connection => ({
  endpoint: url.origin,
  patience: PATIENCE,
  signal,
  refusal: (response) => fileRefusal(response, url),
});
