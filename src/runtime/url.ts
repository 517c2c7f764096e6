/** Models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { type ExternalFile, fileInMemory } from '../onnx/index.js';

/** The bytes of a URL. @throws GlobalPercError when it cannot be fetched. */
export async function readUrl(source: string): Promise<Uint8Array> {
  const failed = (error: Error): never => {
    const reason = (error.cause as Error | undefined)?.message ?? error.message;
    throw new GlobalPercError(`cannot fetch '${source}': ${reason}`, { code: 'io', cause: error });
  };
  const response = await fetch(source).catch(failed);
  if (!response.ok) throw new GlobalPercError(`cannot fetch '${source}': HTTP ${response.status}`, { code: 'io' });
  // Servers of single-page applications answer with their page where there is no file.
  if (response.headers.get('content-type')?.startsWith('text/html'))
    throw new GlobalPercError(`cannot fetch '${source}': the server sends a page (text/html) instead`, { code: 'io' });
  return new Uint8Array(await response.arrayBuffer().catch(failed));
}

/** A file by its path from the folder of another URL. @throws GlobalPercError when it cannot be fetched. */
export async function openBesideUrl(source: URL, location: string): Promise<ExternalFile> {
  const path = location.split('/').map(encodeURIComponent).join('/');
  return fileInMemory(await readUrl(new URL(path, source).href));
}
