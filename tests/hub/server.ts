/** A hub of the tests' own: the endpoints of the real one, a log of what was asked, and faults that can be switched on. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with an answer. */
export interface Fault {
  /** Part of the path of the requests it meets; the content of large files comes from `/storage/`. */
  readonly on: string;
  /** How many answers it spoils. Default: all. */
  times?: number;
  /** `status`: refuse. Others concern the body, e.g. `cut`: end the connection; `truncate`: end it early in good order. */
  readonly kind:
    | 'status'
    | 'cut'
    | 'truncate'
    | 'corrupt'
    | 'stall'
    | 'slow'
    | 'ignore range'
    | 'lengthen'
    | 'no length';
  /** Bytes of the body before it happens. Default half. */
  readonly after?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A repository of one or more commits. */
export interface TestRepo {
  /** Commit by branch or tag. */
  readonly refs: Record<string, string>;
  readonly commits: Record<string, Readonly<Record<string, Uint8Array>>>;
  /** Token that alone may read it. */
  readonly token?: string;
  /** Its list is public, its files are for the token. */
  readonly gated?: boolean;
}

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Files of this many bytes and more are kept as the hub keeps large ones: by SHA-256, in a storage of another origin. */
const LARGE = 1000;
/** Entries of the list of files in one answer. */
const PAGE = 4;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const gitHash = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
export const etagOf = (bytes: Uint8Array): string => (bytes.length >= LARGE ? sha256(bytes) : gitHash(bytes));

export class TestHub {
  readonly repos: Record<string, TestRepo> = {};
  /** What lies beside the repositories, by path. */
  readonly files: Record<string, Uint8Array> = {};
  readonly log: LoggedRequest[] = [];
  readonly faults: Fault[] = [];
  /** Whether the list of files goes on at another origin. */
  listsElsewhere = false;
  private readonly servers: readonly [Server, Server];

  private constructor() {
    this.servers = [createServer(this.answer), createServer(this.answer)];
  }

  static async start(): Promise<TestHub> {
    const hub = new TestHub();
    for (const server of hub.servers) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return hub;
  }

  get url(): string {
    return urlOf(this.servers[0]);
  }

  /** The requests for paths that contain a text. */
  requests(part: string): LoggedRequest[] {
    return this.log.filter(({ path }) => path.includes(part));
  }

  /** Forgets repositories, faults and the log. */
  reset(): void {
    for (const name of Object.keys(this.repos)) delete this.repos[name];
    for (const path of Object.keys(this.files)) delete this.files[path];
    this.log.length = 0;
    this.faults.length = 0;
    this.listsElsewhere = false;
  }

  async stop(): Promise<void> {
    for (const server of this.servers) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  private readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', this.url);
    const { range, authorization } = request.headers;
    this.log.push({ method: request.method ?? '', path: url.pathname, range, authorization });
    const fault = this.takeFault(url.pathname);
    const file = this.files[url.pathname];
    if (fault?.kind === 'status') {
      response.writeHead(fault.status ?? 500, { ...fault.headers }).end('<html>a page that is no JSON</html>');
    } else if (file) send(file, request, response, fault, {});
    else if (url.pathname.startsWith('/storage/')) this.sendStored(url.pathname.slice(9), request, response, fault);
    else this.sendFromRepo(url, request, response, fault);
  };

  private sendFromRepo(url: URL, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
    const parts = url.pathname.replace(/^\/api\/models/, '').split('/');
    const [, owner, name, kind, ...tail] = parts.map(decodeURIComponent);
    const repo = this.repos[`${owner}/${name}`];
    const known = request.headers.authorization === `Bearer ${repo?.token}`;
    if (!repo || (repo.token && !repo.gated && !known)) return refuse(response, 401, 'RepoNotFound');
    const revision = kind === 'resolve' ? (tail[0] ?? '') : tail.join('/');
    const commit = repo.refs[revision] ?? revision;
    const files = repo.commits[commit];
    if (!files) return refuse(response, 404, 'RevisionNotFound');
    if (kind === 'revision') return sendJson(response, infoOf(`${owner}/${name}`, commit, files));
    if (kind === 'tree') return this.sendTree(files, url, response);
    if (repo.gated && !known) return refuse(response, 403, 'GatedRepo');
    const bytes = files[tail.slice(1).join('/')];
    if (!bytes) return refuse(response, 404, 'EntryNotFound');
    return this.sendFile(bytes, commit, request, response, fault);
  }

  private sendFile(
    bytes: Uint8Array,
    commit: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const headers = { 'X-Repo-Commit': commit };
    const etag = etagOf(bytes);
    if (bytes.length < LARGE) {
      send(bytes, request, response, fault, { ...headers, ETag: `"${etag}"` });
      return;
    }
    const linked = { 'X-Linked-Etag': `"${etag}"`, 'X-Linked-Size': String(bytes.length) };
    response.writeHead(302, { ...headers, ...linked, Location: `${urlOf(this.servers[1])}/storage/${etag}` }).end();
  }

  private takeFault(path: string): Fault | undefined {
    const fault = this.faults.find(({ on, times }) => path.includes(on) && times !== 0);
    if (fault?.times !== undefined) fault.times -= 1;
    return fault;
  }

  private sendStored(hash: string, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const all = Object.values(this.repos).flatMap(({ commits }) => Object.values(commits).flatMap(Object.values));
    const bytes = all.find((content: Uint8Array) => sha256(content) === hash);
    if (bytes) send(bytes, request, response, fault, { ETag: `"${hash}"` });
    else response.writeHead(404).end();
  }

  private sendTree(files: Readonly<Record<string, Uint8Array>>, url: URL, response: ServerResponse): void {
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const entries = Object.entries(files).map(([file, bytes]) => ({
      type: 'file',
      path: file,
      size: bytes.length,
      oid: gitHash(bytes),
      ...(bytes.length >= LARGE && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } }),
    }));
    const folders = [...new Set(entries.flatMap((entry) => entry.path.split('/').slice(0, -1)))];
    const all = [...folders.map((folder) => ({ type: 'directory', path: folder, size: 0, oid: '' })), ...entries];
    const end = start + PAGE;
    const next = `<${urlOf(this.servers[this.listsElsewhere ? 1 : 0])}${url.pathname}?recursive=true&cursor=${end}>; rel="next"`;
    sendJson(response, all.slice(start, end), end < all.length ? { Link: next } : {});
  }
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function refuse(response: ServerResponse, status: number, code: string): void {
  sendJson(response, { error: code }, { 'X-Error-Code': code, 'X-Error-Message': code }, status);
}

function sendJson(response: ServerResponse, content: unknown, headers: Record<string, string> = {}, status = 200) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(content));
}

const infoOf = (id: string, sha: string, files: Readonly<Record<string, Uint8Array>>) => ({
  _id: '1',
  id,
  sha,
  private: false,
  gated: false,
  downloads: 0,
  likes: 0,
  lastModified: '2026-01-01T00:00:00.000Z',
  siblings: Object.keys(files).map((rfilename) => ({ rfilename })),
});

/** Sends content or the range asked for, spoiled by a fault. */
function send(
  content: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
  headers: Readonly<Record<string, string>>,
): void {
  const start =
    fault?.kind === 'ignore range' ? 0 : Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start > 0 && start >= content.length) {
    response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
    return;
  }
  const { body, ending } = spoil(Uint8Array.from(content.subarray(start)), fault);
  const length = ending === 'whole' ? body.length : content.length - start;
  const part = start > 0 ? { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(start > 0 ? 206 : 200, {
    ...headers,
    ...part,
    ...(fault?.kind !== 'no length' && { 'Content-Length': length }),
    'Accept-Ranges': 'bytes',
  });
  if (request.method === 'HEAD') response.end();
  else if (fault?.kind === 'slow') sendSlowly(body, response);
  else if (ending === 'whole') response.end(body);
  else response.write(body, () => ending === 'cut' && setTimeout(() => response.destroy(), 20));
}

/** In six pieces, a tenth of a second apart. */
function sendSlowly(body: Uint8Array, response: ServerResponse, sent = 0): void {
  const end = sent + Math.ceil(body.length / 6);
  response.write(body.subarray(sent, end));
  if (end >= body.length) response.end();
  else setTimeout(() => sendSlowly(body, response, end), 100);
}

function spoil(bytes: Uint8Array, fault: Fault | undefined): { body: Uint8Array; ending: 'whole' | 'cut' | 'stall' } {
  const after = fault?.after ?? bytes.length >> 1;
  if (fault?.kind === 'cut' || fault?.kind === 'stall') return { body: bytes.subarray(0, after), ending: fault.kind };
  if (fault?.kind === 'truncate') return { body: bytes.subarray(0, after), ending: 'whole' };
  if (fault?.kind === 'lengthen') return { body: Buffer.concat([bytes, bytes.subarray(0, 1)]), ending: 'whole' };
  if (fault?.kind === 'corrupt') bytes[after] = 255 - (bytes[after] ?? 0);
  return { body: bytes, ending: 'whole' };
}
