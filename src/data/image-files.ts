/** The image files of a folder. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { GlobalPercError } from '../graph/index.js';

/** Names of images that are read. */
export const IMAGE = /\.(png|jpe?g|webp|tiff?|avif|gif)$/i;
const FORMATS = 'PNG, JPEG, WebP, TIFF, AVIF and GIF';

/** What lies beside images and is none: hidden files, notes, labels. */
const NOTES = /^\.|^(thumbs\.db|desktop\.ini)$|\.(txt|md|json|jsonl|csv|tsv|xml|ya?ml|html?|log)$/i;

/** What a walk through folders has found. */
interface Found {
  readonly wanted: (name: string) => boolean;
  readonly images: string[];
  /** Files of other formats by their extension. */
  readonly others: Map<string, number>;
}

/**
 * PNG, JPEG, WebP, TIFF, AVIF and GIF files of a folder and the folders in it, linked ones too, sorted by path.
 * @param wanted other files that count.
 * @param logger told once how many files of other formats were passed over; notes and labels do not count.
 * @throws GlobalPercError when it is missing, unreadable, not a folder, or holds no image.
 */
export async function imagesIn(
  folder: string,
  logger: (message: string) => void,
  wanted: (name: string) => boolean = () => false,
): Promise<string[]> {
  const found: Found = { wanted: (name) => IMAGE.test(name) || wanted(name), images: [], others: new Map() };
  await walk(folder, [], found).catch((error: unknown) => {
    throw new GlobalPercError(`cannot read the image folder '${folder}': ${reasonOf(error as Error)}`, {
      code: 'io',
      cause: error,
    });
  });
  const { images, others } = found;
  const kinds = Array.from(others, ([extension, count]) => `${count} ${extension || 'without extension'}`);
  const passedOver = kinds.length === 0 ? '' : `files of other formats were passed over: ${kinds.join(', ')}`;
  if (images.length === 0) {
    const why = passedOver && `; ${passedOver}`;
    throw new GlobalPercError(`the folder '${folder}' holds no images (${FORMATS})${why}`, { code: 'io' });
  }
  if (passedOver) logger(`'${folder}': ${passedOver}; ${FORMATS} are read`);
  return images.sort();
}

/** @param around the real paths of the folders around this one: a link to one of them is not followed. */
async function walk(folder: string, around: readonly string[], found: Found): Promise<void> {
  const real = await realpath(folder);
  if (around.includes(real)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // A link to nothing is taken for a file: reading it will say so.
    const target = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry;
    if (target.isDirectory()) await walk(path, [...around, real], found);
    // Pipes and devices are no files: reading one may never end.
    else if (!target.isFile() && !target.isSymbolicLink()) continue;
    else if (found.wanted(entry.name)) found.images.push(path);
    else if (!NOTES.test(entry.name)) {
      const extension = extname(entry.name).toLowerCase();
      found.others.set(extension, (found.others.get(extension) ?? 0) + 1);
    }
  }
}

/** @throws GlobalPercError when the list is empty, or an entry is missing or a folder. */
export async function requireFiles(paths: readonly string[]): Promise<void> {
  if (paths.length === 0)
    throw new GlobalPercError('the list of images is empty; name at least one file', { code: 'invalid-option' });
  for (const path of new Set(paths)) {
    const found = await stat(path).catch((error) => {
      throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
    });
    if (!found.isFile())
      throw new GlobalPercError(`'${path}' is not a file; a list should name image files`, { code: 'io' });
  }
}

/**
 * A file's path without its extension, relative to its folder: what files that belong together share. Some systems store
 * é as one character, others as two: names are compared composed.
 */
export const stemOf = (path: string, folder: string): string =>
  path.slice(join(folder, '/').length).replace(IMAGE, '').normalize('NFC');

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'ENOTDIR') return 'it is a file, not a folder; name its folder or hand in a list of files';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return message;
}
