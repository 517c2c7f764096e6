/** What a pickle may hold: plain containers, and tensors as places in storages whose bytes lie elsewhere. */
import { type DataType, GlobalPercError } from '../graph/index.js';

/**
 * A value of a pickle. Lists and tuples are arrays, dicts are Maps, both kinds of sets are Sets, `bytes` are a
 * Uint8Array, an `argparse.Namespace` is an object without a prototype; integers beyond 2^53 are bigints. What the pickle
 * refers to twice is one object here, and a container may hold itself.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickledNamespace
  | PickledName
  | PickledStorage
  | PickledTensor
  | PickledNumpyType;

/** The attributes of an `argparse.Namespace`. */
export interface PickledNamespace {
  [name: string]: PickleValue;
}

/** A class, function or dtype by its full name, e.g. `torch.float16`. It is compared, never called. */
export class PickledName {
  constructor(readonly name: string) {}
}

/** Type of a tensor's elements, by PyTorch's name; without a `dtype` it cannot be read, only skipped. */
export interface ElementType {
  readonly name: string;
  readonly bytes: number;
  readonly dtype?: DataType;
}

/** A run of bytes that tensors are views of. */
export class PickledStorage {
  constructor(
    readonly key: string,
    readonly element: ElementType,
    readonly byteLength: number,
  ) {}
}

/** A view of a storage; offset and strides count elements. All its elements lie inside the storage. */
export class PickledTensor {
  constructor(
    readonly storage: PickledStorage,
    readonly element: ElementType,
    readonly offset: number,
    readonly dims: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A dtype of NumPy by its kind and width, e.g. `f8`; its byte order comes after it. */
export class PickledNumpyType {
  bigEndian = false;

  constructor(readonly code: string) {}
}

/** A message about a pickle that breaks the rules of its format. */
export const badPickle = (source: string, problem: string, cause?: unknown): GlobalPercError =>
  new GlobalPercError(`${source} is damaged: ${problem}; get or save it again`, { code: 'invalid-file', cause });

/** What a value is in Python's words, for messages: never its content, which may be endless. */
export function kindOf(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (Array.isArray(value)) return 'a list or tuple';
  if (value instanceof Map) return 'a dict';
  if (value instanceof Set) return 'a set';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof PickledTensor) return 'a tensor';
  if (value instanceof PickledStorage) return 'a storage';
  if (value instanceof PickledName) return value.name;
  if (value instanceof PickledNumpyType) return 'a NumPy dtype';
  if (typeof value === 'object') return 'an argparse.Namespace';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'boolean' ? 'a bool' : 'a number';
}

/** True for the attributes of an `argparse.Namespace`: the only values that have no prototype. */
export const isNamespace = (value: PickleValue): value is PickledNamespace =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;

/** What builds a value: the file's name for messages, and an account of the work done. */
export interface PickleContext {
  readonly source: string;
  /** @throws GlobalPercError when a pickle asks for more than any real one. */
  spend(steps: number): void;
}

/** Makes a value of the arguments that Python would call a class with. */
export type Builder = (args: readonly PickleValue[], context: PickleContext) => PickleValue;

/** A message that names a class whose objects are not made. */
export const refused = (name: string, source: string): GlobalPercError =>
  new GlobalPercError(
    `${source} holds ${JSON.stringify(name)}, which is not read: only tensors in plain containers are, and no code is ` +
      'run. Save the weights alone, in Python: torch.save(model.state_dict(), path)',
    { code: 'invalid-file' },
  );
