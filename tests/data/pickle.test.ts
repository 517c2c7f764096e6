/** Pickles: plain values are read as Python reads them; what would run code, fill the memory or never end is refused. */
import { describe, expect, it } from 'vitest';
import { ByteCursor, inMemory } from '../../src/data/byte-cursor.js';
import { type Unpickled, unpickle } from '../../src/data/pickle.js';
import type { PickleValue } from '../../src/data/pickle-values.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { jsonAt, pickleOf } from './checkpoints.js';

const load = (bytes: Uint8Array): Unpickled => unpickle(new ByteCursor(inMemory(bytes), 'file.pkl'));

const read = (text: string): PickleValue => load(pickleOf(text)).value;

/** A value as the fixtures write it. */
function described(value: PickleValue): unknown {
  if (value instanceof Map) return { dict: Array.from(value, (entry) => entry.map(described)) };
  if (Array.isArray(value)) return value.map(described);
  if (value instanceof Set) return { set: Array.from(value, described) };
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (typeof value === 'bigint') return { int: String(value) };
  if (typeof value === 'number' && !Number.isFinite(value))
    return { float: String(value).replace('Infinity', 'inf').toLowerCase() };
  if (typeof value !== 'object' || value === null) return value;
  return { namespace: { dict: Object.entries(value).map((entry) => entry.map(described)) } };
}

interface Stored {
  readonly name: string;
  readonly pickles: readonly string[];
  readonly value?: unknown;
  readonly message?: string;
}

const stored = jsonAt<Stored[]>('pickles.json').flatMap(({ pickles, ...rest }) =>
  pickles.map((content) => ({ ...rest, bytes: new Uint8Array(Buffer.from(content, 'base64')) })),
);

describe('reads what Python wrote, in every protocol', () => {
  it.each(stored.filter(({ message }) => message === undefined))('$name', ({ bytes, value }) => {
    expect(described(load(bytes).value)).toEqual(value);
  });
});

describe('refuses what Python would call, in every protocol', () => {
  it.each(stored.filter(({ message }) => message !== undefined))('$message', ({ bytes, message = '' }) => {
    expect(() => load(bytes)).toThrow(GlobalPercError);
    // Older protocols make objects by a function of another name.
    const names = [
      message,
      'copyreg',
      'copy_reg',
      message.replace('_core', 'core'),
      message.replace('builtins', '__builtin__'),
    ];
    expect(() => load(bytes)).toThrow(new RegExp(names.map((name) => name.replace('.', '\\.')).join('|')));
  });
});

describe('NumPy scalars', () => {
  const scalar = (type: string, state: string, bytes: string): string =>
    `cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'${type}'\nI00\nI01\ntR${state}S'${bytes}'\ntR.`;
  const state = (order: string): string => `(I3\nS'${order}'\nNNNI-1\nI-1\nI0\ntb`;

  it.each<[string, string, string]>([
    ['of too few bytes', scalar('f8', state('<'), 'abc'), 'made of a NumPy dtype and a text'],
    ['of other types', scalar('O8', state('|'), ''), "numpy.dtype('O8')"],
    ['of texts', scalar('U4', state('<'), ''), "numpy.dtype('U4')"],
    ['without a type', "cnumpy.core.multiarray\nscalar\n(S'f8'\nS''\ntR.", 'made of a text and a text'],
    ['of a dtype of a number', 'cnumpy\ndtype\n(I1\ntR.', 'numpy.dtype(a number)'],
    ['of the wrong width', `cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\ntRC\x02abtR.`, 'of 8 bytes has 2'],
    ['whose dtype has no state', "cnumpy\ndtype\n(S'f8'\ntR}b.", 'the state of a NumPy dtype'],
  ])('refuses those %s', (_, text, message) => {
    expect(() => read(text)).toThrow(GlobalPercError);
    expect(() => read(text)).toThrow(message);
  });
});

it('reads what Python 2 wrote: text in quotes, and integers with an L', () => {
  expect(read("(S'a\\x41\\n\\'b'\nL12L\nI-3\nI01\nF1e3\nU\x02hil.")).toEqual(["aA\n'b", 12, -3, true, 1000, 'hi']);
});

it('reads past the device that a checkpoint names', () => {
  expect(read('(ctorch\ndevice\n(U\x04cudaK\x00tRK\x01t.')).toEqual([null, 1]);
  expect(() => read('ccollections\nCounter\n(K\x01tR.')).toThrow('a Counter is made of a number');
});

it('what is referred to twice is one object, and a container may hold itself', () => {
  const [first, second] = read('(]q\x00h\x00t.') as PickleValue[];
  expect(first).toBe(second);
  const list = read(']q\x00h\x00a.') as PickleValue[];
  expect(list[0]).toBe(list);
});

it('a list that is changed after it was used as a shape changes no shape', () => {
  const storage = '(X\x07\x00\x00\x00storageq\x01ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ';
  // [2] is the shape, kept in the memo; then 1000 is appended to it.
  const pickle = `ctorch._utils\n_rebuild_tensor\n(${storage}K\x00]q\x02K\x02a]K\x01atRh\x02M\xe8\x03a0.`;
  expect(read(pickle)).toMatchObject({ dims: [2], strides: [1] });
});

const nested = (depth: number): string => ')'.concat('\x85'.repeat(depth), '.');
const uint32 = (value: number): string => String.fromCharCode(...new Uint8Array(Uint32Array.of(value).buffer));
const uint64 = (value: bigint): string => String.fromCharCode(...new Uint8Array(BigUint64Array.of(value).buffer));
/** The list that comes before holds the one before it ten times, and so on. */
const laughs = ']q\x00'.concat(...Array.from({ length: 40 }, () => `(${'h\x00'.repeat(10)}lq\x00`), '.');

it('a million laughs take no more memory than they have bytes', () => {
  let value = read(laughs) as PickleValue[];
  let depth = 0;
  for (; value.length > 0; depth += 1) value = value[0] as PickleValue[];
  expect(depth).toBe(40);
});

it('nests without using the stack', () => {
  let value = read(nested(1_000_000));
  let depth = 0;
  for (; Array.isArray(value) && value.length > 0; depth += 1) value = value[0] as PickleValue;
  expect(depth).toBe(1_000_000);
});

/** A tensor: storage of `count` float32, then offset, shape and strides as operations. */
const tensor = (count: string, rest: string): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu${count}tQ${rest}tR.`;

const bytesOfText = (text: string): string => `X${uint32(text.length)}${text}`;

describe('refuses', () => {
  it.each<[string, string, string]>([
    ['os.system', "cos\nsystem\n(S'true'\ntR.", '"os.system"'],
    ['a name on the stack', '\x8c\x02os\x8c\x06system\x93.', '"os.system"'],
    ['builtins.eval', "cbuiltins\neval\n(S'1'\ntR.", '"builtins.eval"'],
    ['__builtin__.eval', "c__builtin__\neval\n(S'1'\ntR.", '"builtins.eval"'],
    ['a name that objects have', 'cconstructor\n__proto__\n.', '"constructor.__proto__"'],
    ['an old instance', "(S'true'\nios\nsystem\n.", '"os.system"'],
    ['an old object', '(ccollections\nOrderedDict\no.', 'a call of collections.OrderedDict'],
    ['a registered class', '\x82\x01.', 'extension registry'],
    ['a class with keywords', 'ccollections\nOrderedDict\n)}\x92.', 'keyword arguments'],
    ['a buffer outside', '\x97.', 'a buffer outside the pickle'],
    ['a persistent id as text', 'Pstorage\n.', 'a persistent id as text'],
    ['a call of a number', 'K\x01)R.', 'a call of a number'],
    ['a call of a name that is only mentioned', 'c__builtin__\nint\n)R.', 'a call of builtins.int'],
    ['arguments that are no tuple', 'ccollections\nOrderedDict\nK\x01R.', 'the arguments of collections.OrderedDict'],
    ['the state of a list', ']}b.', 'the state of a list or tuple'],
    ['a set of a number', 'c__builtin__\nset\n(K\x01tR.', 'a set is made of a number'],
    ['a dict of no pairs', 'ccollections\nOrderedDict\n((K\x01ltR.', 'instead of pairs'],
    ['bytes of a number', 'c__builtin__\nbytes\n(K\x01tR.', 'bytes are made of a number'],
    ['a later protocol', '\x80\x06N.', 'protocol 6'],
    ['an unknown operation', '\xff.', '0xff is no operation'],
    ['nothing', '', 'truncated'],
    ['no end', 'N', 'truncated'],
    ['half a line', "S'abc", 'truncated'],
    ['half a number', 'J\x01', 'truncated'],
    ['an end without a value', '.', 'a value is missing'],
    ['a value below the mark', 'K\x01(.', 'a value is missing'],
    ['an end without a mark', 't.', 'a container ends that has not begun'],
    ['a key without a value', '}(K\x01u.', 'a key has no value'],
    ['items of a number', 'K\x01(K\x02e.', 'items are appended to a number'],
    ['entries of a list', '](K\x01K\x02u.', 'entries are set in a list'],
    ['elements of a list', '](K\x01\x90.', 'items are added to a list'],
    ['a value that was not stored', 'h\x05.', 'value 5, which it has not stored'],
    ['a place that is no number', 'g__proto__\n.', 'no number'],
    ['a name that is no text', 'K\x01K\x02\x93.', 'a name is no text'],
    ['text that is not UTF-8', 'U\x01\xff.', 'not UTF-8'],
    ['text without quotes', 'Sabc\n.', 'a text in quotes is malformed'],
    ['a float in words', 'Fone\n.', 'a float in digits is malformed'],
    ['an integer in words', 'I0x10\n.', 'an integer in digits is malformed'],
    ['an integer of many digits', `L${'9'.repeat(100_000)}L\n.`, 'malformed or too long'],
    ['an integer of many bytes', `\x8b${uint32(100_000)}${'\xff'.repeat(100_000)}.`, 'an integer has 100000 bytes'],
    ['an integer of more bytes than there are', `\x8b${uint32(0x7fffffff)}\x01.`, 'more than'],
    ['text longer than the file', `X${uint32(50_000_000)}a.`, 'truncated'],
    ['bytes of 2^63', `\x8e${uint64(1n << 63n)}a.`, 'more than'],
    ['deep nesting', '('.repeat(1_000_000), 'nested deeper than 1000'],
    ['too many values', 'N'.repeat(5_000_000), 'has more than'],
    [
      'copies of one list, again and again',
      `](${'N'.repeat(5000)}eq\x000${'c__builtin__\nset\n(h\x00tR0'.repeat(1000)}N.`,
      'has more than',
    ],
    [
      'copies of one text',
      `${bytesOfText('a'.repeat(5000))}q\x000${'c_codecs\nencode\n(h\x00tR0'.repeat(1000)}N.`,
      'has more than',
    ],
    ['a storage of a dict', '}Q.', 'not that of a storage'],
    ['a storage with a path', tensor('K\x01', '').replace('FloatStorage', 'Size'), 'not that of a storage'],
    ['a storage of negative size', tensor('J\xff\xff\xff\xff', ''), 'has -1 elements'],
    ['a storage of fractional size', tensor('G\x3f\xf8\x00\x00\x00\x00\x00\x00', ''), 'has 1.5 elements'],
    ['a storage of 2^64 elements', tensor('\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01', ''), 'has a number elements'],
    ['a tensor without a storage', 'ctorch._utils\n_rebuild_tensor\n)R.', 'has nothing as its storage'],
    ['a negative offset', tensor('K\x04', 'J\xff\xff\xff\xffK\x01\x85K\x01\x85'), 'the offset -1'],
    ['an offset behind the end', tensor('K\x04', 'K\x04K\x01\x85K\x01\x85'), "its storage '0' has 16"],
    ['a dimension beyond the end', tensor('K\x04', 'K\x00K\x05\x85K\x01\x85'), 'needs 20 bytes'],
    ['a negative dimension', tensor('K\x04', 'K\x00J\xff\xff\xff\xff\x85K\x01\x85'), 'the shape of a tensor'],
    ['a negative stride', tensor('K\x04', 'K\x00K\x02\x85J\xff\xff\xff\xff\x85'), 'the strides of a tensor'],
    ['a stride beyond the end', tensor('K\x04', 'K\x00K\x02\x85K\x04\x85'), 'needs 20 bytes'],
    [
      'dimensions that overflow',
      tensor('K\x04', `K\x00(${'J\xff\xff\xff\x7f'.repeat(60)}t(${'J\xff\xff\xff\x7f'.repeat(60)}t`),
      'its storage',
    ],
    ['more dimensions than strides', tensor('K\x04', 'K\x00K\x01K\x01\x86K\x01\x85'), '2 dimensions and 1 strides'],
    ['a hundred dimensions', tensor('K\x04', `K\x00(${'K\x01'.repeat(100)}t(${'K\x01'.repeat(100)}t`), 'at most 64'],
    ['a parameter of a number', 'ctorch._utils\n_rebuild_parameter\n(K\x01tR.', 'holds a number instead of a tensor'],
    [
      'a tensor rebuilt as a dict',
      'ctorch._tensor\n_rebuild_from_type_v2\n(ccollections\nOrderedDict\nN)tR.',
      'is rebuilt as a dict',
    ],
  ])('%s', (_, text, message) => {
    const bytes = pickleOf(text);
    expect(() => load(bytes)).toThrow(GlobalPercError);
    expect(() => load(bytes)).toThrow(message);
  });

  it('a storage that is described in two ways', () => {
    const storage = (count: string): string =>
      `(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu${count}tQ`;
    expect(() => read(`(${storage('K\x01')}${storage('K\x02')}t.`)).toThrow("storage '0' is described in two ways");
  });
});
