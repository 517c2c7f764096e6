/** What goes wrong between here and the hub, in words. */
import { GlobalPercError } from '../graph/index.js';
import type { RepoRevision } from './types.js';

/** May be gone at the next try: no connection, a busy server, bytes that did not arrive as they were sent. */
export class TemporaryError extends GlobalPercError {
  /** @param madeProgress whether a good part of a file came before it. */
  constructor(
    message: string,
    readonly madeProgress = false,
    cause?: unknown,
  ) {
    super(message, { code: 'io', cause });
  }
}

const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Why a server refuses a request.
 * @param access What gives access to a repository that is not public.
 */
export function refusal(response: Response, from: RepoRevision, access: string): GlobalPercError {
  const { status, headers } = response;
  const page = `${from.endpoint}/${from.repo}`;
  const code = headers.get('X-Error-Code');
  if (TEMPORARY.has(status)) return busy(response, from.endpoint, from.repo);
  if (code === 'GatedRepo' || status === 403) {
    return new GlobalPercError(
      `'${from.repo}' is gated: ask for access or accept its terms at ${page}, and ${access}`,
      { code: 'io' },
    );
  }
  if (code === 'RevisionNotFound') {
    return new GlobalPercError(
      `'${from.repo}' has no revision '${from.revision}'; its branches and tags are listed at ${page}/tree/main`,
      { code: 'io' },
    );
  }
  // The storage, another origin, knows files and no repositories.
  const isStored = status === 404 && code === null && new URL(response.url).origin !== new URL(from.endpoint).origin;
  if (code === 'EntryNotFound' || isStored)
    return new GlobalPercError(`'${from.repo}' has no file ${response.url} any more`, { code: 'io' });
  if (headers.get('X-Error-Message')?.startsWith('Invalid credentials')) {
    return new GlobalPercError(`${from.endpoint} does not know the access token; ${access}`, { code: 'io' });
  }
  if (status === 401 || status === 404) {
    return new GlobalPercError(
      `${from.endpoint} has no repository '${from.repo}', or it is private: check the name, or ${access}`,
      { code: 'io' },
    );
  }
  return new GlobalPercError(
    `${from.endpoint} answered HTTP ${status} for '${from.repo}'; see its status page, or try again later`,
    { code: 'io' },
  );
}

/** Why a server refuses a file that is public. @param url its address. */
export function fileRefusal(response: Response, { origin, href }: URL): GlobalPercError {
  const { status } = response;
  if (TEMPORARY.has(status)) return busy(response, origin, href);
  const message = `cannot fetch '${href}': HTTP ${status}; check the address, or give the path of the file`;
  return new GlobalPercError(message, { code: 'io' });
}

const busy = ({ status }: Response, endpoint: string, what: string): TemporaryError =>
  new TemporaryError(`${endpoint} answered HTTP ${status} for '${what}'; try again later`);

/**
 * Why no answer came, or it broke off.
 * @param error What `fetch` or the body of its answer failed of.
 * @param what e.g. `cannot reach`
 * @param advice What else to do than to try again.
 */
export function connectionError(
  error: unknown,
  what: string,
  { endpoint }: Pick<RepoRevision, 'endpoint'>,
  advice = 'check the connection and try again',
): GlobalPercError {
  if (error instanceof GlobalPercError) return error;
  const { cause, message } = error as Error;
  const { code, message: reason } = (cause ?? {}) as { readonly code?: string; readonly message?: string };
  return new TemporaryError(`${what} ${endpoint} (${code ?? reason ?? message}): ${advice}`, false, error);
}
