/** The runs that `globalperc studio` shows: folders that `train` or `demo` wrote. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';
import { LOG, SAMPLES_AT } from './run-folder.js';

/** A folder with a log. */
export interface StudioRun {
  readonly name: string;
  readonly folder: string;
}

/** What the page is told of a run. */
export interface DescribedRun {
  readonly name: string;
  /** Pictures of samples, the oldest first. */
  readonly samples: readonly string[];
}

/** Whether the page may have a file of a run: its log, and pictures of samples. */
export const isShown = (name: string): boolean => name === LOG || name === 'samples.png' || SAMPLES_AT.test(name);

/**
 * The run in a folder, or those in its folders: `demo` leaves two.
 * @throws GlobalPercError when there is none.
 */
export async function runsIn(folder: string): Promise<StudioRun[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such folder' : reasonOf(error);
    throw new GlobalPercError(`cannot show the run '${folder}': ${reason}`, { code: 'io', cause: error });
  });
  if (entries.some(({ name }) => name === LOG)) return [{ name: basename(resolve(folder)), folder }];
  const inside = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  const runs = await Promise.all(inside.map(async (path) => ((await hasLog(path)) ? [path] : [])));
  if (runs.flat().length > 0) return runs.flat().map((path) => ({ name: basename(path), folder: path }));
  throw new GlobalPercError(`'${folder}' holds no run: it has no ${LOG}, and no folder with one`, {
    code: 'invalid-file',
  });
}

const hasLog = (folder: string): Promise<boolean> =>
  stat(join(folder, LOG)).then(
    (found) => found.isFile(),
    () => false,
  );

export async function describeRun({ name, folder }: StudioRun): Promise<DescribedRun> {
  const names = await readdir(folder).catch(() => []);
  return { name, samples: names.filter((file) => SAMPLES_AT.test(file)).sort() };
}
