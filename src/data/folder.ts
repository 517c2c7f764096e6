/** Data sets of image files; Node only. */
import { GlobalPercError } from '../graph/index.js';
import { type Checks, callback, checkOptions, listOf, string, within } from '../options/index.js';
import type { Generator } from '../random/index.js';
import { requireSize, type Size, sizeOfSides } from '../transforms/size.js';
import { isPairedTransform, type PairedTransform, scaleBetween } from './augment.js';
import { type Dataset, requireIndex, type Sample, type Substitutes } from './dataset.js';
import { type Alpha, isAlpha } from './decoding.js';
import { Autoencode, type Degradation, isDegradation } from './degradation.js';
import { imagesIn, requireFiles, stemOf } from './image-files.js';
import { type ImageSource, imageAt, isShard } from './image-source.js';
import { ImageStore, type OpenListener, type SkippedImage } from './image-store.js';
import type { ImageTensor } from './tensor.js';

/** Options of PairedImageFolder. */
export interface PairedImageFolderOptions {
  /** Crops, flips … of input and target together. */
  readonly transform?: PairedTransform;
  /** What becomes of transparency, as in `readImage`. Default `'white'`. */
  readonly alpha?: Alpha;
  /** Told of every damaged file, and once of files whose format is not read. Default `console.warn`. */
  readonly logger?: (message: string) => void;
}

/** Options of ImageFolder. */
export interface ImageFolderOptions extends PairedImageFolderOptions {
  /** Every image is scaled to cover this size, and what lies beyond it cut off on both sides. Default: as it is. */
  readonly size?: Size;
  /** Makes the input from the transformed image, the target. Default `new Autoencode()`: they are the same. */
  readonly degradation?: Degradation;
  /** The column of Parquet files that holds the images. Default: the only one that does. */
  readonly column?: string;
  /** Told how far the first look at the files is, which reads their headers. */
  readonly onProgress?: OpenListener;
}

const PAIRED: Checks<PairedImageFolderOptions> = { transform: isPairedTransform, alpha: isAlpha, logger: callback };
const SINGLE: Checks<ImageFolderOptions> = {
  ...PAIRED,
  size: requireSize,
  degradation: isDegradation,
  column: string,
  onProgress: callback,
};

/**
 * Images of a folder and the folders in it: PNG, JPEG, WebP, TIFF, AVIF or GIF, as [3, H, W] in [0, 1], read as `readImage` does. A damaged
 * file is named and skipped, and the sample that fell on it takes the next good one.
 *
 * Shards count as the images in them, in their order: tar files, as WebDataset has them, and Parquet files with a column of images, as data sets of the
 * Hugging Face hub have them. Their headers alone are read at the beginning; they need the packages tar and hyparquet.
 *
 * @example
 * const photos = await ImageFolder.open('photos', { transform: new RandomCrop(128), degradation: new Denoise() });
 */
export class ImageFolder implements Dataset {
  /** The folder it was opened with; none for a list of files. */
  readonly folders: readonly string[];
  private readonly images: readonly (readonly [ImageSource])[];
  private readonly store: ImageStore;
  private readonly transform: PairedTransform | undefined;
  private readonly degradation: Degradation;

  private constructor(
    images: readonly ImageSource[],
    folders: readonly string[],
    store: ImageStore,
    options: ImageFolderOptions,
  ) {
    this.folders = folders;
    this.images = images.map((image) => [image]);
    this.store = store;
    this.transform = options.transform;
    this.degradation = options.degradation ?? new Autoencode();
  }

  /**
   * Finds the images and reads their headers.
   * @param source a folder, a shard, or a list of files; a file may be listed several times.
   * @throws GlobalPercError when it is missing, unreadable or holds no image that can be read, the size is not positive, a Parquet file has no such column, or
   * several where none is named.
   */
  static async open(source: string | readonly string[], given: ImageFolderOptions = {}): Promise<ImageFolder> {
    const options = checkOptions(given, SINGLE, 'ImageFolder');
    const size = options.size === undefined ? undefined : sizeOfSides(options.size, 'ImageFolder');
    const { logger = console.warn, alpha } = options;
    const store = new ImageStore({ size, alpha }, logger);
    const isFolder = typeof source === 'string' && !isShard(source);
    const files = typeof source === 'string' ? [source] : listOf(string)(source, 'ImageFolder: the list of files');
    if (!isFolder) await requireFiles(files);
    const paths = isFolder ? await imagesIn(source, logger, isShard) : files;
    const images = await store.open(paths, options.column, options.onProgress);
    if (images.length === 0) throw store.nothingLeft();
    return new ImageFolder(images, isFolder ? [source] : [], store, options);
  }

  /** Images whose header can be read; those that turn out to be damaged later still count. */
  get length(): number {
    return this.images.length;
  }

  /** Their paths, sample by sample; within a shard, its path with the image's name or row. */
  get files(): readonly string[] {
    return this.images.map(([{ path }]) => path);
  }

  /** Files left out so far, each once. */
  get skipped(): readonly SkippedImage[] {
    return this.store.skipped;
  }

  /**
   * One image after the transform as the target, and degraded as the input; for one that cannot be decoded, the next substitute that can.
   * @throws GlobalPercError when no image can be decoded, or the transform or degradation does not fit this one.
   */
  async get(index: number, generator: Generator, substitutes?: Substitutes): Promise<Sample> {
    requireIndex(index, this.length);
    const { sources, images } = await this.store.firstGood(this.images, index, substitutes);
    return within(sources[0].path, () => {
      const [image] = this.transform ? this.transform.apply(images, generator) : images;
      const target = plain(image as ImageTensor);
      return { input: plain(this.degradation.degrade(target, generator)), target };
    });
  }
}

/**
 * Images of two folders, paired by their path within the folder without its extension. Targets have the size of their
 * inputs, or an integer times it, the same for all pairs.
 */
export class PairedImageFolder implements Dataset {
  /** The folders of inputs and of targets. */
  readonly folders: readonly string[];
  /** How many times larger the targets are. */
  readonly scale: number;
  private readonly pairs: readonly (readonly [input: ImageSource, target: ImageSource])[];
  private readonly store: ImageStore;
  private readonly transform: PairedTransform | undefined;

  private constructor(
    pairs: readonly Pair[],
    folders: readonly string[],
    scale: number,
    store: ImageStore,
    options: PairedImageFolderOptions,
  ) {
    this.folders = folders;
    this.pairs = pairs.map(([input, target]) => [imageAt(input), imageAt(target)]);
    this.scale = scale;
    this.store = store;
    this.transform = options.transform;
  }

  /**
   * Finds the pairs and reads their headers.
   * @throws GlobalPercError when a folder is missing, unreadable or holds no image that can be read, an image has no
   * partner, or the sizes of a pair do not fit.
   */
  static async open(
    inputFolder: string,
    targetFolder: string,
    given: PairedImageFolderOptions = {},
  ): Promise<PairedImageFolder> {
    const options = checkOptions(given, PAIRED, 'PairedImageFolder');
    string(inputFolder, 'PairedImageFolder: inputFolder');
    string(targetFolder, 'PairedImageFolder: targetFolder');
    const { logger = console.warn, alpha } = options;
    const found = await pairsOf(inputFolder, targetFolder, logger);
    const store = new ImageStore({ alpha }, logger);
    const sizes = await store.sizes(found.flat());
    const pairs = found.filter((pair) => pair.every((path) => sizes.has(path)));
    const [first] = pairs;
    if (first === undefined) throw store.nothingLeft();
    const scaleOf = ([input, target]: Pair): number =>
      within(`${input} and ${target}`, () => scaleBetween(sizes.get(input) ?? [0, 0], sizes.get(target) ?? [0, 0]));
    const scale = scaleOf(first);
    const other = pairs.find((pair) => scaleOf(pair) !== scale);
    if (other === undefined) return new PairedImageFolder(pairs, [inputFolder, targetFolder], scale, store, options);
    throw new GlobalPercError(
      `all targets should be larger than their inputs by the same factor, but it is ${scale} for ${first.join(' and ')}, ${scaleOf(other)} for ${other.join(' and ')}`,
      { code: 'invalid-file' },
    );
  }

  /** Pairs whose headers can be read; those that turn out to be damaged later still count. */
  get length(): number {
    return this.pairs.length;
  }

  /** Files left out so far, each once; a pair is left out with either of its files. */
  get skipped(): readonly SkippedImage[] {
    return this.store.skipped;
  }

  /**
   * One pair after the transform; for one that cannot be decoded, the next substitute that can.
   * @throws GlobalPercError when no pair can be decoded, or the transform does not fit this one.
   */
  async get(index: number, generator: Generator, substitutes?: Substitutes): Promise<Sample> {
    requireIndex(index, this.length);
    const { sources, images } = await this.store.firstGood(this.pairs, index, substitutes);
    return within(sources.map(({ path }) => path).join(' and '), () => {
      const [input, target] = this.transform ? this.transform.apply(images, generator) : images;
      return { input: plain(input as ImageTensor), target: plain(target as ImageTensor) };
    });
  }
}

type Pair = readonly [input: string, target: string];
type Logger = (message: string) => void;

/** @throws GlobalPercError listing the files without partner, or two of the same name. */
async function pairsOf(inputFolder: string, targetFolder: string, logger: Logger): Promise<Pair[]> {
  const [inputs, targets] = [await byStem(inputFolder, logger), await byStem(targetFolder, logger)];
  const lonely = [
    ...Array.from(inputs).filter(([stem]) => !targets.has(stem)),
    ...Array.from(targets).filter(([stem]) => !inputs.has(stem)),
  ].map(([, path]) => path);
  if (lonely.length === 0) return Array.from(inputs, ([stem, input]) => [input, targets.get(stem) as string]);
  const more = lonely.length > 8 ? ` and ${lonely.length - 8} more` : '';
  throw new GlobalPercError(
    `every image of '${inputFolder}' needs one of the same name in '${targetFolder}', and the reverse; without partner: ${lonely.slice(0, 8).join(', ')}${more}`,
    { code: 'invalid-file' },
  );
}

async function byStem(folder: string, logger: Logger): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of await imagesIn(folder, logger)) {
    const stem = stemOf(path, folder);
    const other = found.get(stem);
    if (other !== undefined) {
      throw new GlobalPercError(`'${other}' and '${path}' have the same name; pairs need names that differ`, {
        code: 'invalid-file',
      });
    }
    found.set(stem, path);
  }
  return found;
}

/** A tensor that holds nothing but its own values. */
const plain = ({ dims, data }: ImageTensor): ImageTensor => ({ dims, data });
