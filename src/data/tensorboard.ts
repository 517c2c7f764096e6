/**
 * Event files of TensorBoard: records of an `Event` message each, with lengths and checksums
 * (https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto, summary.proto, tensor.proto; the records are TFRecords,
 * https://www.tensorflow.org/tutorials/load_data/tfrecord).
 */
import { readdirSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { makeFolder, reasonOf } from '../files/index.js';
import { GlobalPercError } from '../graph/index.js';
import { type Checks, checkOptions, count, string } from '../options/index.js';
import type { Logger } from './logger.js';

/** Options of TensorBoardLogger. */
export interface TensorBoardLoggerOptions {
  /** The first step of a run that goes on: what an earlier file has from there on is not shown any more. */
  readonly from?: number;
  /** What the run was made with, such as its configuration: Markdown, under the tag `config`. */
  readonly about?: string;
}

const OPTIONS: Checks<TensorBoardLoggerOptions> = { from: count, about: string };

/**
 * Writes scalars and pictures into a folder that `tensorboard --logdir FOLDER` shows, in a file of its own.
 *
 * @example
 * const logger = new TensorBoardLogger('run');
 * const { step, loss } = await trainer.step(input, target);
 * logger.scalars(step, { loss });
 * await logger.flush();
 */
export class TensorBoardLogger implements Logger {
  /** The file, made by the first `flush`. */
  readonly path: string;
  private readonly folder: string;
  private waiting: Uint8Array[] = [];
  private writing: Promise<void> = Promise.resolve();

  /** @throws GlobalPercError for an unknown option or one of another type. */
  constructor(folder: string, options: TensorBoardLoggerOptions = {}) {
    const { from, about } = checkOptions(options, OPTIONS, 'TensorBoardLogger');
    this.folder = string(folder, 'TensorBoardLogger: folder');
    const seconds = String(secondsBehind(this.folder)).padStart(10, '0');
    this.path = join(this.folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${made++}`);
    this.take(0, fileVersion);
    if (from !== undefined) this.take(from, started);
    if (about !== undefined) this.take(0, (event) => summary(event, (value) => text(value, 'config', about)));
  }

  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const entries = Object.entries(values);
    this.take(step, (event) =>
      summary(
        event,
        ...entries.map(
          ([tag, x]) =>
            (value: BinaryWriter) =>
              scalar(value, tag, x),
        ),
      ),
    );
  }

  image(step: number, tag: string, png: Uint8Array): void {
    this.take(step, (event) => summary(event, (value) => picture(value, tag, png)));
  }

  /** @throws GlobalPercError when the folder cannot be written or the disk is full. */
  flush(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  private async write(): Promise<void> {
    const records = this.waiting;
    if (records.length === 0) return;
    this.waiting = [];
    await makeFolder(this.folder);
    await appendFile(this.path, Buffer.concat(records)).catch((error: unknown) => {
      throw new GlobalPercError(`cannot write '${this.path}': ${reasonOf(error)}`, { code: 'io', cause: error });
    });
  }

  private take(step: number, what: (event: BinaryWriter) => void): void {
    this.waiting.push(record(eventOf(Date.now() / 1000, step, what)));
  }
}

/** Sets the files of one process apart. */
let made = 0;

/**
 * The time in a file's name. TensorBoard reads the files of a folder in the order of their names and goes back to none: so it is behind
 * those that are there, though the clock may have been set back since.
 */
function secondsBehind(folder: string): number {
  const others = namesIn(folder).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
  return Math.max(Math.floor(Date.now() / 1000), ...others.map((seconds) => seconds + 1));
}

/** What cannot be read is said where it is written. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** An `Event` message. @param seconds since 1970. */
export function eventOf(seconds: number, step: number, what: (event: BinaryWriter) => void): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(seconds);
  if (step !== 0) event.tag(2, WireType.Varint).int64(step);
  what(event);
  return event.finish();
}

/** The version that every file begins with. */
export const fileVersion = (event: BinaryWriter): void =>
  void event.tag(3, WireType.LengthDelimited).string('brain.Event:2');

/** `SessionLog` with the status START: what was logged for this step and later ones before is dropped. */
export const started = (event: BinaryWriter): void => {
  event.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1).join();
};

type Write = (message: BinaryWriter) => void;

/** A `Summary` with its values. */
export function summary(event: BinaryWriter, ...values: readonly Write[]): void {
  event.tag(5, WireType.LengthDelimited).fork();
  for (const value of values) within(event, 1, value);
  event.join();
}

export function scalar(value: BinaryWriter, tag: string, x: number): void {
  value.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(x);
}

/** A PNG says its size in its first chunk. */
const [WIDTH_AT, HEIGHT_AT] = [16, 20];
const RGB = 3;

export function picture(value: BinaryWriter, tag: string, png: Uint8Array): void {
  const header = new DataView(png.buffer, png.byteOffset, png.byteLength);
  value.tag(1, WireType.LengthDelimited).string(tag);
  within(value, 4, (image) => {
    image.tag(1, WireType.Varint).int32(header.getInt32(HEIGHT_AT));
    image.tag(2, WireType.Varint).int32(header.getInt32(WIDTH_AT));
    image.tag(3, WireType.Varint).int32(RGB);
    image.tag(4, WireType.LengthDelimited).bytes(png);
  });
}

const DT_STRING = 7;

/** A string tensor for the plugin `text`. */
export function text(value: BinaryWriter, tag: string, markdown: string): void {
  value.tag(1, WireType.LengthDelimited).string(tag);
  within(value, 8, (tensor) => {
    tensor.tag(1, WireType.Varint).int32(DT_STRING);
    within(tensor, 2, (shape) => within(shape, 2, (dim) => dim.tag(1, WireType.Varint).int64(1)));
    tensor.tag(8, WireType.LengthDelimited).string(markdown);
  });
  within(value, 9, (metadata) =>
    within(metadata, 1, (plugin) => plugin.tag(1, WireType.LengthDelimited).string('text')),
  );
}

function within(message: BinaryWriter, field: number, write: Write): void {
  message.tag(field, WireType.LengthDelimited).fork();
  write(message);
  message.join();
}

/** A record: its length, the checksum of that, the data, the checksum of those. */
export function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(data), true);
  return bytes;
}

/** CRC-32C, the reflected polynomial of Castagnoli. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0x82f63b78 : 0);
  return remainder;
});

/** Turned by 15 bits and moved, since checksums of data that hold checksums are weak. */
function maskedChecksum(data: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of data) remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ byte) & 0xff] as number);
  const checksum = ~remainder >>> 0;
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
