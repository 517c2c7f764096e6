/** Files that can be made anew, kept up to a number of bytes: those that were longest unused go first. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Puts the user's folder in place of a leading `~`, as Python does for variables that name folders. */
export const withHome = (path: string): string => path.replace(/^~(?=$|[/\\])/, homedir());

/** The folder of this name among the user's caches: in `XDG_CACHE_HOME`, by default `~/.cache`. */
export const userCache = (name: string): string =>
  withHome(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), name));

/** Files of other names are somebody else's. Behind the second point stands what is being written. */
const NAME = /^[0-9a-f]{64}\.kept(\.[0-9a-f-]{36})?$/;

/** So long after it was begun, what is unfinished was left by a process that ended. */
const LEFT_AFTER_MS = 3_600_000;

interface Kept {
  readonly path: string;
  readonly size: number;
  readonly used: number;
  readonly unfinished: boolean;
}

/** A folder of such files. Several processes may share it: each file is there whole or not at all. */
export class KeptFiles {
  private readonly folder: string;
  private readonly limit: number;

  /** @param limit in bytes, of all files together. */
  constructor(folder: string, limit: number) {
    this.folder = folder;
    this.limit = limit;
  }

  /** The bytes kept under a key, a SHA-256; undefined where there are none that can be read. */
  read(key: string): Uint8Array | undefined {
    const path = this.pathOf(key);
    const bytes = ifPossible(() => readFileSync(path));
    const now = new Date();
    if (bytes) ifPossible(() => utimesSync(path, now, now));
    return bytes;
  }

  /** Keeps bytes, and removes others to make room. Where nothing can be written nothing is kept: whoever asks for them makes them anew. */
  write(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.limit) return;
    const path = this.pathOf(key);
    const temporary = `${path}.${crypto.randomUUID()}`;
    ifPossible(() => {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(temporary, bytes);
      renameSync(temporary, path);
    });
    ifPossible(() => rmSync(temporary, { force: true }));
    ifPossible(() => this.makeRoom());
  }

  private pathOf(key: string): string {
    return join(this.folder, `${key}.kept`);
  }

  private makeRoom(): void {
    const names = readdirSync(this.folder).filter((name) => NAME.test(name));
    const found = names.flatMap((name) => ifPossible(() => this.found(name)) ?? []);
    const left = found.filter(({ unfinished, used }) => unfinished && Date.now() - used > LEFT_AFTER_MS);
    const kept = found.filter(({ unfinished }) => !unfinished).sort((a, b) => a.used - b.used);
    let total = kept.reduce((sum, { size }) => sum + size, 0);
    const unused = kept.filter(({ size }) => {
      const isExcess = total > this.limit;
      if (isExcess) total -= size;
      return isExcess;
    });
    for (const { path } of [...left, ...unused]) ifPossible(() => rmSync(path, { force: true }));
  }

  private found(name: string): Kept {
    const path = join(this.folder, name);
    const { size, mtimeMs } = statSync(path);
    return { path, size, used: mtimeMs, unfinished: !name.endsWith('.kept') };
  }
}

/** Another process may have removed what this one looks at, and a folder may be read-only. */
function ifPossible<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
