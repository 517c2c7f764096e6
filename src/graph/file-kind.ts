/** What a file is that was handed in by mistake, from the bytes it begins with. */

/** Bytes that tell a file's kind; more of it need not be read. */
export const KIND_BYTES = 64;

const LFS = 'version https://git-lfs';

/** What files begin with, one character per byte, from byte 0 or another on. */
const STARTS: readonly (readonly [start: string, kind: string, from?: number])[] = [
  [LFS, 'a Git LFS pointer, which only names the file: fetch the file itself with `git lfs pull`, or download it'],
  ['<svg', 'an SVG drawing'],
  ['<', 'a web page or other XML: check the URL'],
  ['{', 'JSON'],
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['WEBP', 'a WebP image', 8],
  ['CR', 'a camera raw file (CR2)', 8],
  ['II*\0', 'a TIFF image'],
  ['MM\0*', 'a TIFF image'],
  ['II+\0', 'a TIFF image'],
  ['MM\0+', 'a TIFF image'],
  ['IIRO', 'a camera raw file (ORF)'],
  ['IIRS', 'a camera raw file (ORF)'],
  ['IIU\0', 'a camera raw file (RW2)'],
  ['FUJIFILMCCD-RAW', 'a camera raw file (RAF)'],
  ['ftypcrx', 'a camera raw file (CR3)', 4],
  ['ftypqt', 'a video', 4],
  ['ftypmp4', 'a video', 4],
  ['ftypisom', 'a video', 4],
  ['\0\0\0\x0cJXL ', 'a JPEG XL image'],
  ['\xff\x0a', 'a JPEG XL image'],
  ['\0\0\0\x0cjP  ', 'a JPEG 2000 image'],
  ['\xff\x4f\xff\x51', 'a JPEG 2000 image'],
  ['\0\0\x01\0', 'an icon (ICO)'],
  ['8BPS', 'a Photoshop document (PSD)'],
  ['\x76\x2f\x31\x01', 'an OpenEXR image'],
  ['#?RADIANCE', 'a Radiance HDR image'],
  ['#?RGBE', 'a Radiance HDR image'],
  ['DDS ', 'a DDS texture'],
  ['qoif', 'a QOI image'],
  ['SIMPLE  =', 'a FITS image'],
  ['gimp xcf', 'a GIMP document (XCF)'],
  ['%PDF', 'a PDF document'],
  ['\x93NUMPY', 'a NumPy array (.npy)'],
  ['\x89HDF', 'an HDF5 file'],
  ['PK\x03\x04', 'a zip archive, as PyTorch checkpoints are'],
  ['\x1f\x8b', 'a gzip archive: unpack it'],
  ['\x80\x02', 'a Python pickle'],
  ['\x80\x03', 'a Python pickle'],
  ['\x80\x04', 'a Python pickle'],
  ['\x80\x05', 'a Python pickle'],
];

/** Brands of pictures in the container that HEIC and AVIF share, in the order of the better known name. */
const BRANDS: readonly (readonly [brand: RegExp, kind: string])[] = [
  [/avif|avis/, 'an AVIF image'],
  [/hei[cxms]|hev[cxms]|mif1|msf1/, 'a HEIC image'],
];

/** What a file is, such as `a HEIC image` or `empty`, for a sentence that begins with `it is`; undefined when nothing is recognised. */
export function fileKind(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'empty';
  const start = String.fromCharCode(...bytes.subarray(0, KIND_BYTES));
  const known = STARTS.find(([text, , from = 0]) => start.startsWith(text, from));
  if (known) return known[1];
  if (start.startsWith('ftyp', 4)) return BRANDS.find(([brand]) => brand.test(start.slice(8)))?.[1];
  // The two reserved words of a bitmap's header tell it from text.
  if (/^BM.{4}\0{4}/s.test(start)) return 'a BMP image';
  if (/^P[1-7]\s/.test(start)) return 'a PNM image';
  // The length of the header in eight bytes, then the header.
  if (/^.{5}\0{3}\{/s.test(start)) return 'a safetensors file, which holds weights alone';
  return /^\s+</.test(start) ? 'a web page or other XML: check the URL' : undefined;
}

/** True for the small text that Git keeps in place of a large file. */
export const isLfsPointer = (bytes: Uint8Array): boolean =>
  String.fromCharCode(...bytes.subarray(0, LFS.length)) === LFS;
