/**
 * Node: the part of a file that has come so far, `<blob>.incomplete`. While a process writes to it, it has the process in
 * its name, so that no other writes to the same one.
 */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { isRunning } from '../files/index.js';

const HOST = hostname().replace(/[^\w-]/g, '_');

/** Sets the downloads of one process apart. */
let started = 0;

/** Takes over what an earlier download of a blob left, or names a new file. */
export async function claimPartial(blob: string): Promise<string> {
  started += 1;
  const own = `${blob}.${HOST}-${process.pid}-${started}.incomplete`;
  for (const left of await abandoned(blob)) {
    const taken = await rename(left, own).then(
      () => true,
      () => false,
    );
    if (taken) return own;
  }
  return own;
}

/** Leaves a partial file, if anything is in it, for the next download. */
export async function releasePartial(partial: string, blob: string): Promise<void> {
  const size = await stat(partial).then(
    (status) => status.size,
    () => 0,
  );
  const done = size > 0 ? rename(partial, `${blob}.incomplete`) : rm(partial, { force: true });
  // The error on its way says more than one of this.
  await done.catch(() => undefined);
}

/** Removes what nobody will continue, once the whole blob is there. */
export async function removePartials(blob: string): Promise<void> {
  for (const left of await abandoned(blob)) await rm(left, { force: true }).catch(() => undefined);
}

/** Partial files of a blob that no running process writes to. */
async function abandoned(blob: string): Promise<string[]> {
  const folder = dirname(blob);
  const names = await readdir(folder).catch(() => []);
  const prefix = `${basename(blob)}.`;
  return names
    .filter((name) => name.startsWith(prefix) && isAbandoned(name.slice(prefix.length)))
    .map((name) => `${folder}/${name}`);
}

function isAbandoned(ending: string): boolean {
  if (ending === 'incomplete') return true;
  const [, host, id] = /^(.+)-(\d+)-\d+\.incomplete$/.exec(ending) ?? [];
  return host === HOST && !isRunning(Number(id));
}
