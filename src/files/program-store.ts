/** Where compiled programs are kept. */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeptFiles, userCache, withHome } from './kept.js';

/** All programs together, on disk: some hundred of them. */
const LIMIT = 2 ** 28;

/** Read once; null where the library is part of a bundle, in which nothing tells its version. */
let known: string | null | undefined;

/**
 * The user's store, in the folder that `GLOBALPERC_CACHE` names, by default `globalperc` among the user's caches (`XDG_CACHE_HOME` is
 * honoured); none where the variable is `off`.
 */
export function programStore() {
  const named = process.env.GLOBALPERC_CACHE;
  if (named === 'off') return undefined;
  if (known === undefined) known = versions();
  if (known === null) return undefined;
  const files = new KeptFiles(join(named ? withHome(named) : userCache('globalperc'), 'programs'), LIMIT);
  return {
    version: known,
    read: (key: string) => files.read(key),
    write: (key: string, bytes: Uint8Array) => files.write(key, bytes),
  };
}

/** The library's version and the time of its build, since whoever works on it builds one version often; and ONNX Runtime's version. */
function versions(): string | null {
  const require = createRequire(import.meta.url);
  try {
    const { name, version } = require('../../package.json') as Record<string, unknown>;
    const runtime = require('onnxruntime-node/package.json') as Record<string, unknown>;
    const built = statSync(fileURLToPath(import.meta.url)).mtimeMs;
    return name === 'globalperc' ? `${version} ${built} ${runtime.version}` : null;
  } catch {
    return null;
  }
}
