/** Models by URL. */
import { GlobalPercError } from '../graph/index.js';
import { type ExternalFile, fileInMemory } from '../onnx/index.js';

/** How a URL is read. */
export interface ReadOptions {
  /** Stops the download; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called as bytes arrive, where the server tells how many there are. */
  readonly onLoaded?: (loaded: number, total: number) => void;
}

/** The bytes of a URL. @throws GlobalPercError when it cannot be fetched. */
export async function readUrl(source: string, { signal, onLoaded }: ReadOptions = {}): Promise<Uint8Array> {
  const failed = (error: Error): never => {
    signal?.throwIfAborted();
    const reason = (error.cause as Error | undefined)?.message ?? error.message;
    throw new GlobalPercError(`cannot fetch '${source}': ${reason}`, { code: 'io', cause: error });
  };
  const response = await fetch(source, signal ? { signal } : {}).catch(failed);
  if (!response.ok) throw new GlobalPercError(`cannot fetch '${source}': HTTP ${response.status}`, { code: 'io' });
  // Servers of single-page applications answer with their page where there is no file.
  if (response.headers.get('content-type')?.startsWith('text/html'))
    throw new GlobalPercError(`cannot fetch '${source}': the server sends a page (text/html) instead`, { code: 'io' });
  return bytesOf(response, onLoaded).catch(failed);
}

/** The body of an answer. What was compressed on its way has more bytes than the server told. */
async function bytesOf(response: Response, onLoaded: ReadOptions['onLoaded']): Promise<Uint8Array> {
  const total = Number(response.headers.get('content-length') ?? 0);
  if (onLoaded === undefined || total === 0 || response.body === null)
    return new Uint8Array(await response.arrayBuffer());
  let loaded = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        loaded += chunk.byteLength;
        onLoaded(Math.min(loaded, total), total);
        controller.enqueue(chunk);
      },
    }),
  );
  return new Uint8Array(await new Response(counted).arrayBuffer());
}

/** A file by its path from the folder of another URL. @throws GlobalPercError when it cannot be fetched. */
export async function openBesideUrl(source: URL, location: string): Promise<ExternalFile> {
  const path = location.split('/').map(encodeURIComponent).join('/');
  return fileInMemory(await readUrl(new URL(path, source).href));
}
