/** The stack machine that a pickle is a program for: its values, containers and memory, and the limits of all three. */
import { GlobalPercError } from '../graph/index.js';
import type { ByteCursor } from './byte-cursor.js';
import { build, namedIn, setState, storageOf } from './pickle-classes.js';
import { badPickle, kindOf, type PickleContext, type PickledStorage, type PickleValue } from './pickle-values.js';

/** Steps a pickle may take: each makes one value at most, so that they bound its memory. */
const MAX_STEPS = 1 << 22;

/** Containers that may be open at once. */
const MAX_DEPTH = 1000;

/** Bytes of a pickle, which has names and shapes but no tensor's elements. */
const MAX_BYTES = 1 << 26;

/** What the operations of a pickle work on. */
export class PickleMachine implements PickleContext {
  readonly storages = new Map<string, PickledStorage>();
  readonly source: string;
  private readonly begin: number;
  private readonly stack: PickleValue[] = [];
  /** Heights of the stack where containers begin. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private steps = 0;

  constructor(readonly cursor: ByteCursor) {
    this.source = cursor.source;
    this.begin = cursor.position;
  }

  readonly spend = (steps: number): void => {
    this.steps += steps;
    if (this.steps > MAX_STEPS || this.cursor.position - this.begin > MAX_BYTES) throw this.tooLarge();
  };

  bad(problem: string): GlobalPercError {
    return badPickle(this.source, `at byte ${this.cursor.position}, ${problem}`);
  }

  /** So many bytes, valid until the next read. */
  take(length: number): Uint8Array {
    if (length > MAX_BYTES) throw this.tooLarge();
    return this.cursor.take(length);
  }

  /** An unsigned integer of so many bytes. */
  count(bytes: number): number {
    // Rounding above 2^53 does no harm: every count is checked against what is there.
    return this.cursor.take(bytes).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.bad('a value is missing');
    return this.stack.pop() as PickleValue;
  }

  /** Drops the last value, or the mark if that came last. */
  discard(): void {
    if (this.stack.length === this.marks.at(-1)) this.marks.pop();
    else this.pop();
  }

  top(): PickleValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    if (this.marks.length === MAX_DEPTH) throw this.bad(`containers are nested deeper than ${MAX_DEPTH}`);
    this.marks.push(this.stack.length);
  }

  popMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.bad('a container ends that has not begun');
    return this.stack.splice(height);
  }

  /** The last values, in order. */
  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  put(index = this.memo.size): void {
    this.memo.set(index, this.top());
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.bad(`it refers to value ${index}, which it has not stored`);
    this.push(value);
  }

  name(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.bad('a name is no text');
    this.push(namedIn(module, name, this.source));
  }

  call(): void {
    const args = this.pop();
    this.push(build(this.pop(), args, this));
  }

  setState(): void {
    const state = this.pop();
    setState(this.top(), state, this);
  }

  storage(): void {
    const storage = storageOf(this.pop(), this.source);
    const known = this.storages.get(storage.key) ?? storage;
    if (known.byteLength !== storage.byteLength || known.element !== storage.element) {
      throw this.bad(`storage '${storage.key}' is described in two ways`);
    }
    this.storages.set(storage.key, known);
    this.push(known);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.bad(`items are appended to ${kindOf(list)}`);
    for (const item of items) list.push(item);
  }

  add(items: readonly PickleValue[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw this.bad(`items are added to ${kindOf(set)}`);
    for (const item of items) set.add(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw this.bad(`entries are set in ${kindOf(dict)}`);
    if (items.length % 2 !== 0) throw this.bad('a key has no value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i] as PickleValue, items[i + 1] as PickleValue);
  }

  private tooLarge(): GlobalPercError {
    return new GlobalPercError(
      `${this.source}: its pickle has more than ${MAX_STEPS} values or ${MAX_BYTES} bytes beside the tensors; ` +
        'save the weights alone, in Python: torch.save(model.state_dict(), path)',
      { code: 'invalid-file' },
    );
  }
}
