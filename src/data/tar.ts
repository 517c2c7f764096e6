/** Images in tar files, as WebDataset has them: the headers are read once, an image where it lies, when it is needed. */
import type { HeaderData } from 'tar';
import { type OpenFile, openForReading } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { peerError } from '../peers/index.js';
import { IMAGE } from './image-files.js';
import type { ImageSource, Shard } from './image-source.js';

/** Headers and bodies begin at multiples of it. */
const BLOCK = 512;

async function loadTar(): Promise<typeof import('tar')> {
  try {
    return await import('tar');
  } catch (error) {
    throw peerError('tar', error);
  }
}

/**
 * The images of a tar file in its order; of one that is damaged or cut short, those before.
 * @throws GlobalPercError when it cannot be read, or tar is not installed.
 */
export async function openTar(path: string): Promise<Shard> {
  const { Header, Pax } = await loadTar();
  const file = await openForReading(path);
  const images: ImageSource[] = [];
  // What extended headers say of the file that follows, and of all that do.
  let [next, all]: [HeaderData, HeaderData] = [{}, {}];
  for (let at = 0; at < file.length; ) {
    if (at + BLOCK > file.length) return { images, damage: damaged('it is cut short', images) };
    const header = new Header(buffer(file, at, BLOCK), 0, next, all);
    // The end, or padding behind it.
    if (header.nullBlock) return { images };
    const [start, size] = [at + BLOCK, header.size ?? 0];
    if (!header.cksumValid || !(size >= 0))
      return { images, damage: damaged(`there is no tar header at byte ${at}`, images) };
    if (start + size > file.length) return { images, damage: damaged('it is cut short', images) };
    const text = (): string => buffer(file, start, size).toString().replace(/\0+$/, '');
    if (header.type === 'GlobalExtendedHeader') all = Pax.parse(text(), all, true);
    else if (header.type === 'ExtendedHeader') next = Pax.parse(text(), next, false);
    else if (header.type === 'NextFileHasLongPath' || header.type === 'OldGnuLongPath') next = { path: text() };
    else {
      const { path: name = '' } = header;
      if (FILES.has(header.type) && IMAGE.test(name)) images.push(new TarMember(`${path}/${name}`, file, start, size));
      next = {};
    }
    at = start + BLOCK * Math.ceil(size / BLOCK);
  }
  return { images };
}

const FILES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile']);

const buffer = (file: OpenFile, start: number, length: number): Buffer => Buffer.from(file.read(start, length));

const damaged = (problem: string, { length }: readonly ImageSource[]): GlobalPercError =>
  new GlobalPercError(`${problem}; the images before, ${length}, are used`, { code: 'invalid-file' });

class TarMember implements ImageSource {
  constructor(
    readonly path: string,
    private readonly file: OpenFile,
    private readonly start: number,
    private readonly size: number,
  ) {}

  async read(): Promise<Uint8Array> {
    return this.file.read(this.start, this.size);
  }
}
