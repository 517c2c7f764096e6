/** What a command writes: checked before the work begins, and never one of the files that it reads. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';

/**
 * Checks the name of a file that an option says to write.
 * @param endings e.g. `['.npy']`.
 * @throws GlobalPercError when it ends otherwise, is a folder, or lies in none.
 */
export async function requireOutputFile(path: string, option: string, endings: readonly string[]): Promise<void> {
  if (!endings.some((ending) => path.endsWith(ending))) {
    throw new GlobalPercError(`${option} should end in ${endings.join(' or ')}, got '${path}'`, {
      code: 'invalid-option',
    });
  }
  const refused = (problem: string, cause?: unknown): never => {
    throw new GlobalPercError(`${option}: cannot write '${path}': ${problem}`, { code: 'io', cause });
  };
  if ((await stat(path).catch(() => undefined))?.isDirectory()) refused('it is a folder; name a file');
  const folder = dirname(path);
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT' ? `there is no folder '${folder}'; create it first` : reasonOf(error);
    return refused(missing, error);
  });
  if (!found.isDirectory()) refused(`'${folder}' is not a folder`);
}

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
    throw new GlobalPercError(
      `'${output}'${other} is read by this command and would be overwritten: name another file`,
      {
        code: 'invalid-option',
      },
    );
  }
}

/** The same for all names of one file or folder, after links are followed. */
async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}`;
}
