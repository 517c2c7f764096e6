/** Weights in files: what PyTorch saved is read, what is harmful, damaged or ambiguous is refused by name. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../src/data/byte-cursor.js';
import { formatSafetensors, readStateDict, type SafeTensor } from '../../src/data/index.js';
import type { PickledTensor } from '../../src/data/pickle-values.js';
import { MemoryBudget } from '../../src/data/strided.js';
import { tensorsIn } from '../../src/data/torch-checkpoint.js';
import { openTorchLegacy } from '../../src/data/torch-legacy.js';
import { openTorchZip } from '../../src/data/torch-zip.js';
import { GlobalPercError } from '../../src/graph/index.js';
import { BatchNorm2d, Conv2d, ReLU, Sequential } from '../../src/nn/index.js';
import { bytesAt, checkpoint, contentOf, jsonAt, readable } from './checkpoints.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weights-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('reads what PyTorch reads', () => {
  it.each(readable)('$file', async ({ file, tensors }) => {
    const read = await readStateDict(checkpoint(file));
    // Safetensors files are sorted by element width.
    const inOrder = /safetensors/.test(file) ? Object.keys(read).sort() : Object.keys(read);
    const names = tensors.map(([name]) => name);
    expect(inOrder).toEqual(/safetensors/.test(file) ? names.sort() : names);
    for (const [name, tensor] of tensors)
      expect([name, contentOf(read[name] as SafeTensor)]).toEqual([name, contentOf(tensor)]);
  });
});

describe('refuses by name', () => {
  it.each(jsonAt<{ file: string; message: string }[]>('refused.json'))('$file', async ({ file, message }) => {
    const error: unknown = await readStateDict(checkpoint(file)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain(file);
  });
});

describe('loads into a module', () => {
  const net = (): Sequential =>
    new Sequential(new Conv2d(2, 3, 3), new BatchNorm2d(3), new ReLU(), new Conv2d(3, 2, 1));

  it.each(['net.pth', 'net-legacy.pth', 'net-parallel.pth', 'training.pt', 'safetensors', 'bin', 'net-half.pth'])(
    '%s',
    async (file) => {
      const weights = await readStateDict(checkpoint(file));
      const state = net().loadStateDict(weights).stateDict();
      expect(Object.keys(state).sort()).toEqual(Object.keys(weights).sort());
      expect(state['0.weight']?.data).toBeInstanceOf(Float32Array);
      expect(state['1.num_batches_tracked']?.data).toBeInstanceOf(BigInt64Array);
    },
  );

  it('half precision becomes float32: what was rounded is close to what was not', async () => {
    const load = async (file: string): Promise<Float32Array> =>
      net()
        .loadStateDict(await readStateDict(checkpoint(file)))
        .stateDict()['0.weight']?.data as Float32Array;
    const [whole, half] = [await load('net.pth'), await load('net-half.pth')];
    expect(half).not.toEqual(whole);
    for (const [i, value] of whole.entries()) expect(Math.abs((half[i] as number) - value)).toBeLessThan(2e-4);
  });
});

it.each([
  ['an average of weights', ['n_averaged', 'module.a', 'module.b.c'], ['a', 'b.c']],
  ['a compiled module', ['_orig_mod.a', '_orig_mod.b.c'], ['a', 'b.c']],
  ['a compiled module in parallel', ['module._orig_mod.a', 'module._orig_mod.b.c'], ['a', 'b.c']],
  ['a parallel module, compiled', ['_orig_mod.module.a', '_orig_mod.module.b.c'], ['a', 'b.c']],
  ['a compiled part', ['a._orig_mod.b', 'a._orig_mod._orig_mod.c', 'd'], ['a.b', 'a.c', 'd']],
  ['a sharded module', ['_fsdp_wrapped_module.a._checkpoint_wrapped_module.b', 'c'], ['a.b', 'c']],
  ['a compiled part in a parallel module', ['module.a._orig_mod.b', 'module.c'], ['a.b', 'c']],
  ['parts that would become one', ['a._orig_mod.b', 'a.b'], ['a._orig_mod.b', 'a.b']],
  ['a part whose name only ends so', ['my_orig_mod.a', 'b'], ['b', 'my_orig_mod.a']],
  ['a module with one part called model', ['model.a', 'model.b'], ['model.a', 'model.b']],
  ['a module with a part of that name', ['module.module.a', 'module.module.b'], ['module.a', 'module.b']],
  ['a part of that name beside others', ['module.a', 'n_averaged', 'b'], ['b', 'module.a', 'n_averaged']],
])('names of %s', async (_, names, expected) => {
  const tensor: SafeTensor = { dtype: 'float32', dims: [1], data: Float32Array.of(1) };
  const path = join(folder, 'wrapped.safetensors');
  writeFileSync(path, formatSafetensors(Object.fromEntries(names.map((name) => [name, tensor]))));
  expect(Object.keys(await readStateDict(path)).sort()).toEqual(expected);
});

it.each([
  ['pointer.safetensors', 'no safetensors file: it is a Git LFS pointer, which only names the file: fetch'],
  ['pointer.pth', 'no file of torch.save: it is a Git LFS pointer'],
  ['pointer.safetensors.index.json', "an object 'weight_map', but it is a Git LFS pointer"],
])('names the pointer that Git keeps in place of a large file: %s', async (name, message) => {
  const path = join(folder, name);
  writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 346000000\n');
  await expect(readStateDict(path)).rejects.toThrow(GlobalPercError);
  await expect(readStateDict(path)).rejects.toMatchObject({ code: 'invalid-file' });
  await expect(readStateDict(path)).rejects.toThrow(message);
});

it.each(['pth', 'safetensors', 'safetensors.index.json'])(
  'one line for an empty or foreign file: .%s',
  async (ending) => {
    for (const content of ['', '<!DOCTYPE html><html>Not found</html>', '\x89PNG\r\n\x1a\n0000000000']) {
      const path = join(folder, `foreign.${ending}`);
      writeFileSync(path, content, 'latin1');
      await expect(readStateDict(path)).rejects.toMatchObject({ name: 'GlobalPercError', code: 'invalid-file' });
      await expect(readStateDict(path)).rejects.toThrow(/^[^\n]*foreign[^\n]*$/);
    }
  },
);

it('tensors that are views of one storage share its memory; a small one that is a copy keeps nothing else', async () => {
  const { whole, offset, one_row: row, transposed } = await readStateDict(checkpoint('strides-zip.pt'));
  expect(offset?.data.buffer).toBe(whole?.data.buffer);
  expect(row?.data.buffer).toBe(whole?.data.buffer);
  expect(transposed?.data.buffer.byteLength).toBe(24 * 4);
});

it('a tensor with two names is there once', async () => {
  const { encoder, decoder } = await readStateDict(checkpoint('tied.pt'));
  expect(decoder?.data.buffer).toBe(encoder?.data.buffer);
});

it.each([
  ['net.pth', openTorchZip],
  ['deflated.pt', openTorchZip],
  ['net-legacy.pth', openTorchLegacy],
])('%s: a storage counts towards the memory that a file may take', async (file, open) => {
  const budget = new MemoryBudget('file', 0);
  const { value, read } = await open(inMemory(bytesAt(file)), 'file', budget);
  const [tensor] = tensorsIn(value, 'file').values();
  // 16 MB are free for any file; its other entries took some of them.
  budget.spend((1 << 24) - 4096);
  const load = async (): Promise<unknown> => {
    for (let i = 0; i < 4096; i += 1) await read((tensor as PickledTensor).storage);
    return 'read';
  };
  await expect(load()).rejects.toThrow('file: its tensors take more than twice the bytes of the file');
});

it('a name that objects have by themselves is a name like others', async () => {
  const read = await readStateDict(checkpoint('prototype.pt'));
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  expect(Object.keys(read).sort()).toEqual(['__proto__', 'constructor']);
});

describe('in several files', () => {
  const one = formatSafetensors({ a: { dtype: 'float32', dims: [1], data: Float32Array.of(1) } });
  let count = 0;

  /** A folder with these files; texts are indices' weight maps. */
  function folderOf(files: Readonly<Record<string, Uint8Array | object | string>>): string {
    count += 1;
    const path = join(folder, `case-${count}`);
    mkdirSync(path);
    for (const [name, content] of Object.entries(files)) {
      const isRaw = content instanceof Uint8Array || typeof content === 'string';
      writeFileSync(join(path, name), isRaw ? content : JSON.stringify({ weight_map: content }));
    }
    return path;
  }

  const INDEX = 'model.safetensors.index.json';

  it('reads each from its file', async () => {
    const path = folderOf({ [INDEX]: { a: 'one.safetensors' }, 'one.safetensors': one });
    expect(Object.keys(await readStateDict(path))).toEqual(['a']);
    expect(await readStateDict(join(path, INDEX))).toEqual(await readStateDict(path));
  });

  it('prefers safetensors where there are both', async () => {
    const path = folderOf({
      [INDEX]: { a: 'one.safetensors' },
      'pytorch_model.bin.index.json': { a: 'missing.bin' },
      'one.safetensors': one,
    });
    expect(Object.keys(await readStateDict(path))).toEqual(['a']);
  });

  it.each<[string, Record<string, Uint8Array | object | string>, string]>([
    ['a file that is missing', { [INDEX]: { a: 'two.safetensors' } }, 'two.safetensors'],
    [
      'a tensor that is missing',
      { [INDEX]: { a: 'one.safetensors', b: 'one.safetensors' }, 'one.safetensors': one },
      'lacks tensors that',
    ],
    ['a path upwards', { [INDEX]: { a: '../one.safetensors' } }, 'expected a file in the folder'],
    ['a path upwards on Windows', { [INDEX]: { a: 'x\\..\\..\\one.safetensors' } }, 'expected a file in the folder'],
    ['an absolute path', { [INDEX]: { a: '/etc/passwd' } }, 'expected a file in the folder'],
    ['a drive', { [INDEX]: { a: 'C:one.safetensors' } }, 'expected a file in the folder'],
    ['a path that is no text', { [INDEX]: { a: 1 } }, 'expected a file in the folder'],
    ['an index in place of a shard', { [INDEX]: { a: INDEX } }, 'no file of torch.save'],
    ['an index without a map', { [INDEX]: '{"weight_map": []}' }, "an object 'weight_map'"],
    ['an index that is no JSON', { [INDEX]: '{' }, "an object 'weight_map'"],
    ['an index nested endlessly', { [INDEX]: '['.repeat(1_000_000) }, "an object 'weight_map'"],
    ['several indices', { [INDEX]: {}, 'fp16.safetensors.index.json': {} }, 'several indices'],
    ['no index', { 'one.safetensors': one }, 'name the file of the weights'],
  ])('refuses %s', async (_, files, message) => {
    const load = readStateDict(folderOf(files));
    await expect(load).rejects.toThrow(GlobalPercError);
    await expect(load).rejects.toThrow(message);
  });
});

it.each(['missing.pt', 'missing.safetensors', 'missing.safetensors.index.json', 'missing/folder'])(
  'says that %s is missing',
  async (name) => {
    const load = readStateDict(join(folder, name));
    await expect(load).rejects.toThrow(GlobalPercError);
    await expect(load).rejects.toThrow(name);
  },
);

it('takes the format from the content, whatever the ending', async () => {
  const path = join(folder, 'weights.ckpt');
  cpSync(checkpoint('net-legacy.pth'), path);
  expect(Object.keys(await readStateDict(path))).toContain('0.weight');
});
