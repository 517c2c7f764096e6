/**
 * Programs on disk: a process finds finished what another has compiled before. A program is known by the whole draft that it was made
 * from – every operator, type and constant of it, and so by whatever has written the draft, functions and modules of the caller's included –
 * and by what finishes it. An entry holds no weights but those that folding has made: the draft has the others.
 */
import { type ConstantData, type DataType, type Graph, joinedBytes, type Shape } from '../graph/index.js';
import {
  type Contents,
  platform,
  providerOf,
  type SessionOptions,
  type Store,
  type WrittenGraph,
} from '../runtime/index.js';
import type { Compiled } from './compiled.js';
import { described } from './described.js';
import type { MemoryCost } from './memory-budget.js';

/** Entries of another form are not found. */
const FORMAT = 3;

/** What has grown beyond this would be weights, and the time of writing it. */
const ENTRY_LIMIT = 2 ** 25;

/** Hexadecimal digits of a SHA-256, in front of an entry: whether it is whole. */
const DIGEST = 64;

/** A constant in the entry itself. */
interface Held {
  readonly dtype: DataType;
  readonly shape: Shape;
  readonly length: number;
}

/** Where a weight of an entry is: among the constants of the draft, or in the entry itself. */
type Source = { readonly draft: number } | Held;

interface Header extends Omit<WrittenGraph, 'model' | 'external'>, MemoryCost, Pick<Compiled, 'structure'> {
  readonly model: number;
  readonly external: readonly (Source & { readonly path: string })[];
  readonly sizes: readonly (Held & { readonly name: string })[];
}

/** The place of one program. */
export class StoredProgram {
  private readonly store: Store;
  private readonly contents: Contents;
  private readonly key: string;
  private readonly constants: readonly ConstantData[];

  private constructor(store: Store, contents: Contents, key: string, constants: readonly ConstantData[]) {
    this.store = store;
    this.contents = contents;
    this.key = key;
    this.constants = constants;
  }

  /**
   * The place of the program that is made of a draft within a budget of memory, which must not have been changed yet; undefined where none is kept: without a store,
   * for a provider that is compared with the CPU and needs the graph for it, and for graphs with parts that are not described.
   */
  static of(draft: Graph, options: SessionOptions, memory?: number): StoredProgram | undefined {
    const store = providerOf(options) === 'cpu' ? platform.store() : undefined;
    const { contents } = platform;
    const found = store && contents && described(draft, contents);
    if (!found) return undefined;
    const key = contents.digest([`${FORMAT} ${store.version} ${memory}\n`, found.text]);
    return new StoredProgram(store, contents, key, found.constants);
  }

  /** What was kept; undefined where that is nothing, or damaged. */
  read(): Compiled | undefined {
    const entry = this.store.read(this.key);
    const content = entry?.subarray(DIGEST);
    if (!entry || !content || new TextDecoder().decode(entry.subarray(0, DIGEST)) !== this.contents.digest([content]))
      return undefined;
    return this.parsed(content);
  }

  private parsed(content: Uint8Array): Compiled {
    const length = new DataView(content.buffer, content.byteOffset).getUint32(0, true);
    let end = 4;
    // Copies: a typed array begins at a multiple of its element's width, and the model moves to the worker.
    const next = (size: number): Uint8Array => {
      end += size;
      return new Uint8Array(content.subarray(end - size, end));
    };
    const header = JSON.parse(new TextDecoder().decode(next(length))) as Header;
    const { model, external, sizes, structure, bytes, saved, ...about } = header;
    const written = {
      ...about,
      inPlace: about.inPlace,
      model: next(model),
      external: external.map(({ path, ...source }) => ({ path, constant: this.constantOf(source, next) })),
    };
    const opened = sizes.map(({ name, ...source }) => [name, this.constantOf(source, next)] as const);
    return { written, bytes, saved, structure, sizes: new Map(opened) };
  }

  private constantOf(source: Source, next: (size: number) => Uint8Array): ConstantData {
    if ('draft' in source) return this.constants[source.draft] as ConstantData;
    const { length, ...type } = source;
    return { ...type, bytes: next(length) };
  }

  /** Keeps a program. */
  write({ written, sizes, structure, bytes, saved }: Compiled): void {
    const { model, external, ...about } = written;
    const draftOf = finder(this.constants);
    const made: Uint8Array[] = [];
    const held = ({ dtype, shape, bytes }: ConstantData): Held => {
      made.push(bytes);
      return { dtype, shape, length: bytes.length };
    };
    const sources = external.map(({ path, constant }) => {
      const draft = draftOf(constant);
      return draft === undefined ? { path, ...held(constant) } : { path, draft };
    });
    const opened = Array.from(sizes, ([name, constant]) => ({ name, ...held(constant) }));
    const header: Header = {
      ...about,
      ...{ bytes, saved, structure, model: model.length, external: sources, sizes: opened },
    };
    const text = new TextEncoder().encode(JSON.stringify(header));
    const content = joinedBytes([Uint32Array.of(text.length), text, model, ...made]);
    if (content.length > ENTRY_LIMIT) return;
    this.store.write(this.key, joinedBytes([new TextEncoder().encode(this.contents.digest([content])), content]));
  }
}

/** Finds a constant, or one that has the same bytes in memory, in whatever shape. Those that lie in files are not read for it. */
function finder(constants: readonly ConstantData[]): (constant: ConstantData) => number | undefined {
  const itself = new Map(constants.map((constant, i) => [constant, i]));
  const buffers = new Map<ArrayBufferLike, Map<string, number>>();
  const part = ({ byteOffset, byteLength }: Uint8Array): string => `${byteOffset} ${byteLength}`;
  for (const [constant, i] of itself) {
    if (constant.place || constant.of) continue;
    const { bytes } = constant;
    const parts = buffers.get(bytes.buffer) ?? new Map<string, number>();
    buffers.set(bytes.buffer, parts.set(part(bytes), i));
  }
  return (constant) => {
    const known = itself.get(constant);
    if (known !== undefined || constant.of) return known;
    return buffers.get(constant.bytes.buffer)?.get(part(constant.bytes));
  };
}
