/** Node: the hub as the environment names it, and requests to it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { userCache, withHome } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { connectionError, refusal, TemporaryError } from './errors.js';
import { checkNames } from './id.js';
import type { HubOptions, RepoRevision } from './types.js';

const ACCESS =
  'set HF_TOKEN to a token that may read it (https://huggingface.co/settings/tokens), or log in with `hf auth login`';

/** Tries in a row, of which none made progress. */
const ATTEMPTS = 5;

/** A server, and how to speak to it. */
export interface Connection {
  /** Its base URL, without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string | undefined;
  /** Seconds without a byte after which it is given up. */
  readonly patience: number;
  readonly signal: AbortSignal | undefined;
  /** Why it refuses a request, in words. */
  refusal(response: Response): GlobalPercError;
}

/** A repository, and the hub that has it. */
export interface HubConnection extends Connection, RepoRevision {
  /** Use the cache alone. */
  readonly offline: boolean;
}

/** Reads the environment. @throws GlobalPercError when a name, a variable or the token is not valid. */
export async function connect(repo: string, { revision = 'main', signal }: HubOptions): Promise<HubConnection> {
  checkNames(repo, revision);
  const { HF_ENDPOINT, HF_HUB_OFFLINE } = process.env;
  const from: RepoRevision = { repo, revision, endpoint: endpointOf(HF_ENDPOINT || 'https://huggingface.co') };
  return {
    ...from,
    token: await findToken(),
    offline: /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? ''),
    patience: patienceOf(process.env.HF_HUB_DOWNLOAD_TIMEOUT || '10'),
    signal,
    refusal: (response) => refusal(response, from, ACCESS),
  };
}

function endpointOf(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) {
    const { username, password } = new URL(text);
    if (username === '' && password === '') return text.replace(/\/+$/, '');
    throw new GlobalPercError('HF_ENDPOINT should be a URL without user name and password; HF_TOKEN gives access', {
      code: 'invalid-option',
    });
  }
  throw new GlobalPercError(`HF_ENDPOINT should be a URL such as https://huggingface.co, got '${text}'`, {
    code: 'invalid-option',
  });
}

function patienceOf(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && Number.isFinite(seconds)) return seconds;
  throw new GlobalPercError(`HF_HUB_DOWNLOAD_TIMEOUT should be a number of seconds, got '${text}'`, {
    code: 'invalid-option',
  });
}

async function findToken(): Promise<string | undefined> {
  const { HF_TOKEN, HF_HOME } = process.env;
  const home = HF_HOME ?? userCache('huggingface');
  const token = HF_TOKEN || (await readFile(join(withHome(home), 'token'), 'utf8').catch(() => ''));
  return token.trim() === '' ? undefined : checkedToken(token.trim());
}

/** What no header can hold would be refused by `fetch`, with the token in its message. */
function checkedToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new GlobalPercError(
    'the access token (HF_TOKEN, or the file `token` in HF_HOME) should be one word of letters, digits and signs such as hf_…',
    { code: 'invalid-option' },
  );
}

/** What is done with an answer. Its body comes in parts. */
type Use<T> = (response: Response, body: AsyncIterable<Uint8Array>) => Promise<T>;

/**
 * Sends a GET request. The token goes to the hub alone, not to the storage it redirects to.
 * @param use Gets the answer when it is a good one, or says that the file ends before the range asked for (416).
 * @throws GlobalPercError when the server refuses, and TemporaryError when it may not the next time: also when it sends
 * nothing for as long as the connection has patience.
 */
export async function get<T>(
  connection: Connection,
  url: string,
  headers: Readonly<Record<string, string>>,
  use: Use<T>,
): Promise<T> {
  const guard = watch(connection);
  try {
    const init = { headers: { ...headersFor(url, connection), ...headers }, signal: guard.signal };
    const response = await fetch(url, init).catch((error: unknown) => {
      throw connectionError(error, 'cannot reach', connection, proxyAdvice());
    });
    if (response.ok || response.status === 416) return await use(response, partsOf(response, connection, guard));
    await response.body?.cancel();
    throw connection.refusal(response);
  } finally {
    guard.end();
  }
}

/** Node's `fetch` leaves a proxy aside unless it is told not to. */
function proxyAdvice(): string | undefined {
  const { env } = process;
  const name = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'].find((key) => env[key]);
  if (name === undefined || env.NODE_USE_ENV_PROXY === '1') return undefined;
  return `Node heeds ${name} only with NODE_USE_ENV_PROXY=1, from versions 22.21 and 24 on`;
}

function headersFor(url: string, { token, endpoint }: Connection): Record<string, string> {
  // Compressed bytes could not be counted, nor continued.
  const headers = { 'accept-encoding': 'identity' };
  const own = new URL(url).origin === new URL(endpoint).origin;
  return token !== undefined && own ? { ...headers, authorization: `Bearer ${token}` } : headers;
}

interface Guard {
  readonly signal: AbortSignal;
  /** Says that something has come. */
  alive(): void;
  end(): void;
}

/** Aborts with the caller's signal, or when `alive` has not been called for as long as the connection has patience. */
function watch({ patience, endpoint, signal }: Connection): Guard {
  const stalled = new AbortController();
  const giveUp = (): void =>
    stalled.abort(new TemporaryError(`${endpoint} sent nothing for ${patience} s; check the connection and try again`));
  let timer = setTimeout(giveUp, 1000 * patience);
  return {
    signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
    alive() {
      clearTimeout(timer);
      timer = setTimeout(giveUp, 1000 * patience);
    },
    end: () => clearTimeout(timer),
  };
}

async function* partsOf(response: Response, connection: Connection, guard: Guard): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of response.body ?? []) {
      guard.alive();
      yield part;
    }
  } catch (error) {
    throw connectionError(error, 'lost the connection to', connection);
  }
}

/**
 * Does something again while it fails for a while, with longer and longer pauses.
 * @throws the signal's reason, or what it failed of.
 */
export async function retry<T>(connection: Connection, work: () => Promise<T>, attempts = ATTEMPTS): Promise<T> {
  const { signal } = connection;
  for (let failures = 1; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TemporaryError)) throw error;
      if (error.madeProgress) failures = 1;
      if (failures >= attempts) throw error;
      await pause(1000 * 2 ** (failures - 1), signal);
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await wait(milliseconds, undefined, signal ? { signal } : {}).catch(() => undefined);
}
