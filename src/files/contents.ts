/** What tells contents apart. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';

/** What the system tells of a file; not by its own type, which the types of the package would need. */
interface Stats {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

/** What changes when a file does. */
export const stateOfStats = ({ size, mtimeNs, ino }: Stats): string => `${size} ${mtimeNs} ${ino}`;

/** The same of the file at a path; undefined where there is none. */
export function stateOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && stateOfStats(found);
}

export const contents = {
  /** SHA-256, as hexadecimal digits. */
  digest(parts: Iterable<Uint8Array | string>): string {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  },
};
