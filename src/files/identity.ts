/** Whether a file is the one it was, and whether two names mean one file: what was read is never written over. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GlobalPercError } from '../graph/index.js';
import { stateOf } from './contents.js';

/**
 * Compares files by what they are, not by their names: links, hard ones too, do not hide an input.
 * @param outputs what is going to be written, or replaced; those that do not exist yet are nobody's.
 * @param inputs what has been read; addresses that are no files are passed over.
 * @throws GlobalPercError naming both.
 */
export async function refuseOverwriting(outputs: readonly string[], inputs: readonly string[]): Promise<void> {
  const read = new Map<string, string>();
  for (const input of inputs) {
    const identity = await identityOf(input);
    if (identity !== undefined) read.set(identity, input);
  }
  for (const output of outputs) {
    const input = read.get((await identityOf(output)) ?? '');
    if (input === undefined) continue;
    const other = input === output ? '' : `, the same file as '${input}',`;
    throw new GlobalPercError(`'${output}'${other} was read and would be overwritten: name another file`, {
      code: 'invalid-option',
    });
  }
}

/** The same for all names of one file or folder, after links are followed. */
async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}`;
}

/** Files that are read anew whenever a session is opened. */
export interface FilesInPlace {
  readonly folder: string;
  /** What they were when they were opened, by their paths from there. */
  readonly files: Readonly<Record<string, string>>;
}

/** @throws GlobalPercError naming the first that is not what it was. */
export function requireUnchanged({ folder, files }: FilesInPlace): void {
  for (const [name, state] of Object.entries(files)) {
    const path = join(folder, name);
    const now = stateOf(path);
    if (now === state) continue;
    throw new GlobalPercError(
      `'${path}' ${now === undefined ? 'is gone' : 'has changed'} since it was loaded, and weights are read from it whenever a ` +
        'session is opened: load it again, and leave it as it is meanwhile',
      { code: 'io' },
    );
  }
}
