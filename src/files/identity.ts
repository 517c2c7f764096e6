/** Whether two names mean one file: what was read is never written over. */
import { stat } from 'node:fs/promises';
import { GlobalPercError } from '../graph/index.js';

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
