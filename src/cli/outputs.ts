/** What a command writes: checked before the work begins. */
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
