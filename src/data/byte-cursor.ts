/** Reading bytes in order, from a file of any size or from memory. */
import type { OpenFile } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';

/** Bytes fetched at once. */
const WINDOW = 1 << 16;

const LINE_FEED = 0x0a;

/** Bytes in memory, as a file; each part that is read is a copy. */
export const inMemory = (bytes: Uint8Array): OpenFile => ({
  length: bytes.length,
  // Not `slice`: on a Node Buffer that is another view of the same bytes.
  read: (offset, length) => Uint8Array.from(bytes.subarray(offset, offset + length)),
});

/** A place in a file, moving forward; no more than a window and what is asked for is in memory. */
export class ByteCursor {
  private window = new Uint8Array(0);
  /** Where the window begins in the file, and the next byte in the window. */
  private start: number;
  private next = 0;

  /**
   * @param source the file's name, for messages.
   * @param position the first byte to read.
   */
  constructor(
    private readonly file: OpenFile,
    readonly source: string,
    position = 0,
  ) {
    this.start = position;
  }

  /** The byte that is read next, from the beginning of the file. */
  get position(): number {
    return this.start + this.next;
  }

  /** @throws GlobalPercError at the end of the file, as `take` and `line` do. */
  byte(): number {
    if (this.next === this.window.length) this.fill(1);
    const byte = this.window[this.next] as number;
    this.next += 1;
    return byte;
  }

  /** So many bytes, valid until the next call: copy what is kept. */
  take(length: number): Uint8Array {
    if (length > this.window.length - this.next) this.fill(length);
    this.next += length;
    return this.window.subarray(this.next - length, this.next);
  }

  /** The bytes before the next line feed, which is read too; valid until the next call. */
  line(): Uint8Array {
    let end = this.window.indexOf(LINE_FEED, this.next);
    while (end < 0) {
      const scanned = this.window.length - this.next;
      // Twice as many each time, so that a long line is not read over and over.
      this.fill(Math.max(scanned + 1, Math.min(2 * scanned, this.file.length - this.position)));
      end = this.window.indexOf(LINE_FEED, scanned);
    }
    return this.take(end + 1 - this.next).subarray(0, -1);
  }

  /** Moves the window so that it begins at the next byte and holds at least so many. */
  private fill(length: number): void {
    const { position } = this;
    const left = this.file.length - position;
    if (length > left) {
      throw new GlobalPercError(
        `${this.source} is truncated or damaged: ${length} bytes should follow at byte ${position}, ${left} do`,
        { code: 'invalid-file' },
      );
    }
    this.window = Uint8Array.from(this.file.read(position, Math.min(Math.max(length, WINDOW), left)));
    this.start = position;
    this.next = 0;
  }
}
