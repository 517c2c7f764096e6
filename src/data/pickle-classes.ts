/** The only names a pickle may mention, and what becomes of them: data, never a call. */
import { bytesPerElement, type DataType, GlobalPercError } from '../graph/index.js';
import { numpyScalar, numpyType } from './pickle-numpy.js';
import {
  type Builder,
  badPickle,
  type ElementType,
  isNamespace,
  kindOf,
  type PickleContext,
  PickledName,
  PickledNumpyType,
  PickledStorage,
  PickledTensor,
  type PickleValue,
  refused,
} from './pickle-values.js';

/** Axes that PyTorch allows a tensor at most. */
const MAX_RANK = 64;

const READABLE: readonly DataType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
];

const ELEMENTS: readonly ElementType[] = [
  ...READABLE.map((dtype) => ({ name: dtype, bytes: bytesPerElement(dtype), dtype })),
  { name: 'complex32', bytes: 4 },
  { name: 'complex64', bytes: 8 },
  { name: 'complex128', bytes: 16 },
  { name: 'float8_e4m3fn', bytes: 1 },
  { name: 'float8_e4m3fnuz', bytes: 1 },
  { name: 'float8_e5m2', bytes: 1 },
  { name: 'float8_e5m2fnuz', bytes: 1 },
  { name: 'float8_e8m0fnu', bytes: 1 },
];

const BY_DTYPE = new Map(ELEMENTS.map((element) => [`torch.${element.name}`, element]));

const elementOf = (name: string): ElementType => BY_DTYPE.get(`torch.${name}`) as ElementType;

const BY_STORAGE = new Map([
  ['torch.FloatStorage', elementOf('float32')],
  ['torch.DoubleStorage', elementOf('float64')],
  ['torch.HalfStorage', elementOf('float16')],
  ['torch.BFloat16Storage', elementOf('bfloat16')],
  ['torch.CharStorage', elementOf('int8')],
  ['torch.ByteStorage', elementOf('uint8')],
  ['torch.ShortStorage', elementOf('int16')],
  ['torch.IntStorage', elementOf('int32')],
  ['torch.LongStorage', elementOf('int64')],
  ['torch.BoolStorage', elementOf('bool')],
  ['torch.ComplexFloatStorage', elementOf('complex64')],
  ['torch.ComplexDoubleStorage', elementOf('complex128')],
  // Without a type of its own: the tensor tells it.
  ['torch.storage.UntypedStorage', elementOf('uint8')],
]);

const first: Builder = (args, { source }) => tensorIn(args, source);

const BUILDERS: ReadonlyMap<string, Builder> = new Map([
  ['collections.OrderedDict', ([items = []], context) => dictOf(items, context)],
  ['collections.defaultdict', () => new Map()],
  ['collections.Counter', ([counts = new Map()], { source }) => countsByKey(counts, source)],
  ['argparse.Namespace', () => Object.create(null)],
  // Where something was computed says nothing of its value.
  ['torch.device', () => null],
  ['torch.Size', ([dims = []], { source }) => countsIn(dims, 'a torch.Size', source)],
  ['builtins.set', ([items = []], context) => new Set(itemsIn(items, 'a set', context))],
  ['builtins.frozenset', ([items = []], context) => new Set(itemsIn(items, 'a set', context))],
  ['builtins.bytes', ([text = ''], context) => bytesIn(text, context)],
  ['builtins.bytearray', ([text = ''], context) => bytesIn(text, context)],
  ['_codecs.encode', ([text = ''], context) => bytesIn(text, context)],
  ['numpy.dtype', numpyType],
  // The name before and since NumPy 2.
  ['numpy.core.multiarray.scalar', numpyScalar],
  ['numpy._core.multiarray.scalar', numpyScalar],
  ['torch._utils._rebuild_tensor', (args, { source }) => tensorOf(args, undefined, source)],
  ['torch._utils._rebuild_tensor_v2', (args, { source }) => tensorOf(computed(args, 6, source), undefined, source)],
  ['torch._utils._rebuild_tensor_v3', (args, { source }) => tensorOf(computed(args, 7, source), args[6], source)],
  ['torch._utils._rebuild_parameter', first],
  ['torch._utils._rebuild_parameter_with_state', first],
  ['torch.nn.parameter.Parameter', first],
  ['torch.nn.parameter.Buffer', first],
  ['torch._tensor._rebuild_from_type_v2', ([rebuild, , args], context) => rebuilt(rebuild, args, context)],
] satisfies [string, Builder][]);

/** Names that are only mentioned: the type of a tensor, the factory of a defaultdict. */
const MENTIONED = new Set([
  'torch.Tensor',
  ...['dict', 'list', 'tuple', 'int', 'float', 'str', 'bool'].map((name) => `builtins.${name}`),
]);

/** @throws GlobalPercError for every name that is not that of a tensor or plain container. */
export function namedIn(module: string, name: string, source: string): PickledName {
  const full = `${module === '__builtin__' ? 'builtins' : module}.${name}`;
  if (BUILDERS.has(full) || BY_STORAGE.has(full) || BY_DTYPE.has(full) || MENTIONED.has(full)) {
    return new PickledName(full);
  }
  throw refused(full, source);
}

/** The value that Python would make by calling a class. @throws GlobalPercError when it may not be called so. */
export function build(callee: PickleValue, args: PickleValue, context: PickleContext): PickleValue {
  const { source } = context;
  const builder = callee instanceof PickledName ? BUILDERS.get(callee.name) : undefined;
  if (builder === undefined) throw refused(`a call of ${kindOf(callee)}`, source);
  if (!Array.isArray(args)) throw badPickle(source, `the arguments of ${kindOf(callee)} are ${kindOf(args)}`);
  return builder(args, context);
}

/** Gives an object its attributes, a dtype its byte order: those of dicts and tensors mean nothing here. */
export function setState(target: PickleValue, state: PickleValue, { source, spend }: PickleContext): void {
  if (isNamespace(target) && state instanceof Map) {
    spend(state.size);
    for (const [name, value] of state) if (typeof name === 'string') target[name] = value;
  } else if (target instanceof PickledNumpyType && Array.isArray(state)) {
    target.bigEndian = state[1] === '>';
  } else if (!(target instanceof Map) && !(target instanceof PickledTensor)) {
    throw refused(`the state of ${kindOf(target)}`, source);
  }
}

/** The storage that a persistent id stands for: `('storage', type, key, location, number of elements)`. */
export function storageOf(id: PickleValue, source: string): PickledStorage {
  const [kind, type, key, , count, view = null] = Array.isArray(id) ? id : [];
  const element = type instanceof PickledName ? BY_STORAGE.get(type.name) : undefined;
  if (kind !== 'storage' || element === undefined || typeof key !== 'string') {
    throw badPickle(source, 'a persistent id is not that of a storage');
  }
  if (view !== null) {
    throw new GlobalPercError(
      `${source}: storage '${key}' is a part of another, as PyTorch before 0.4 wrote it; load and save it again there`,
      { code: 'invalid-file' },
    );
  }
  if (!isCount(count)) throw badPickle(source, `storage '${key}' has ${describe(count)} elements`);
  return new PickledStorage(key, element, count * element.bytes);
}

/** @param dtype the dtype's name, when the storage does not tell it. */
function tensorOf(args: readonly PickleValue[], dtype: PickleValue | undefined, source: string): PickledTensor {
  const [storage, offset, dims, strides] = args;
  if (!(storage instanceof PickledStorage)) throw badPickle(source, `a tensor has ${kindOf(storage)} as its storage`);
  const element = dtype === undefined ? storage.element : dtype instanceof PickledName && BY_DTYPE.get(dtype.name);
  if (!element) throw badPickle(source, `a tensor has ${kindOf(dtype)} as its dtype`);
  if (!isCount(offset)) throw badPickle(source, `a tensor has the offset ${describe(offset)}`);
  const shape = countsIn(dims, 'the shape of a tensor', source);
  const steps = countsIn(strides, 'the strides of a tensor', source);
  if (shape.length !== steps.length) {
    throw badPickle(source, `a tensor has ${shape.length} dimensions and ${steps.length} strides`);
  }
  const tensor = new PickledTensor(storage, element, offset, shape, steps);
  requireInside(tensor, source);
  return tensor;
}

function requireInside({ storage, element, offset, dims, strides }: PickledTensor, source: string): void {
  if (dims.includes(0)) return;
  const end = dims.reduce((last, dim, axis) => last + (dim - 1) * (strides[axis] as number), offset) + 1;
  if (end * element.bytes <= storage.byteLength) return;
  throw badPickle(
    source,
    `a tensor of shape [${dims}], strides [${strides}] and offset ${offset} needs ${end * element.bytes} bytes, ` +
      `its storage '${storage.key}' has ${storage.byteLength}`,
  );
}

/** Refuses what PyTorch computes when a tensor is used, such as a negation. @param at place of the metadata. */
function computed(args: readonly PickleValue[], at: number, source: string): readonly PickleValue[] {
  const metadata = args[at];
  if (!(metadata instanceof Map)) return args;
  const pending = ['conj', 'neg'].filter((name) => metadata.get(name) === true);
  if (pending.length === 0) return args;
  throw new GlobalPercError(
    `${source} holds a tensor whose ${pending.join(' and ')} is still to be computed; ` +
      'save tensor.resolve_conj().resolve_neg() instead',
    { code: 'invalid-file' },
  );
}

function rebuilt(rebuild: PickleValue = null, args: PickleValue = null, context: PickleContext): PickleValue {
  const value = build(rebuild, args, context);
  if (value instanceof PickledTensor) return value;
  throw badPickle(context.source, `a tensor is rebuilt as ${kindOf(value)}`);
}

function tensorIn([value]: readonly PickleValue[], source: string): PickledTensor {
  if (value instanceof PickledTensor) return value;
  throw badPickle(source, `a parameter holds ${kindOf(value)} instead of a tensor`);
}

/** As older protocols write an OrderedDict: empty, or a list of its pairs. */
function dictOf(items: PickleValue, context: PickleContext): PickleValue {
  return new Map(
    itemsIn(items, 'a dict', context).map((pair): [PickleValue, PickleValue] => {
      const [key, value] = Array.isArray(pair) ? pair : [];
      if (key !== undefined && value !== undefined) return [key, value];
      throw badPickle(context.source, `a dict is made of ${kindOf(pair)} instead of pairs`);
    }),
  );
}

/** As schedules of the learning rate keep their milestones. */
function countsByKey(counts: PickleValue, source: string): PickleValue {
  if (counts instanceof Map) return counts;
  throw badPickle(source, `a Counter is made of ${kindOf(counts)}`);
}

function itemsIn(items: PickleValue, what: string, { source, spend }: PickleContext): PickleValue[] {
  if (!Array.isArray(items)) throw badPickle(source, `${what} is made of ${kindOf(items)}`);
  spend(items.length);
  return items;
}

/** Bytes of bytes, or as older protocols write them: of nothing, or of text with one character per byte. */
function bytesIn(text: PickleValue, { source, spend }: PickleContext): Uint8Array {
  if (text instanceof Uint8Array) return text;
  if (typeof text !== 'string') throw badPickle(source, `bytes are made of ${kindOf(text)}`);
  spend(text.length);
  return Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}

function countsIn(value: PickleValue | undefined, what: string, source: string): number[] {
  if (Array.isArray(value) && value.length <= MAX_RANK && value.every(isCount)) {
    // A copy: the pickle may still change its list.
    return [...value];
  }
  throw badPickle(source, `${what} is not a list of at most ${MAX_RANK} integers of 0 or more`);
}

const isCount = (value: PickleValue | undefined): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const describe = (value: PickleValue | undefined): string =>
  typeof value === 'number' ? String(value) : kindOf(value);
