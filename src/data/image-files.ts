/** The image files of a folder. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GlobalPercError } from '../graph/index.js';

const EXTENSION = /\.(png|jpe?g|webp|tiff?|avif|gif)$/i;

/**
 * PNG, JPEG, WebP, TIFF, AVIF and GIF files of a folder and the folders in it, sorted by path.
 * @throws GlobalPercError when it is missing, unreadable, not a folder, or holds no image.
 */
export async function imagesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    throw new GlobalPercError(`cannot read the image folder '${folder}': ${reasonOf(error)}`, {
      code: 'io',
      cause: error,
    });
  });
  const paths = entries
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && EXTENSION.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  if (paths.length > 0) return paths.sort();
  throw new GlobalPercError(`the folder '${folder}' holds no images (PNG, JPEG, WebP, TIFF, AVIF or GIF)`, {
    code: 'io',
  });
}

/** @throws GlobalPercError when the list is empty, or an entry is missing or a folder. */
export async function requireFiles(paths: readonly string[]): Promise<void> {
  if (paths.length === 0) throw new GlobalPercError('the list of images is empty; name at least one file');
  for (const path of new Set(paths)) {
    const found = await stat(path).catch((error) => {
      throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
    });
    if (!found.isFile())
      throw new GlobalPercError(`'${path}' is not a file; a list should name image files`, { code: 'io' });
  }
}

/** A file's path without its extension, relative to its folder: what files that belong together share. */
export const stemOf = (path: string, folder: string): string =>
  path.slice(join(folder, '/').length).replace(EXTENSION, '');

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'ENOTDIR') return 'it is a file, not a folder; name its folder or hand in a list of files';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return message;
}
