/** Which folders a run may be written to. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireFolderOf, requireOutside, requireRunFolder } from '../../src/cli/run-folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-run-'));
});
afterEach(() => rm(folder, { recursive: true }));

const ENTRY = '{"step":1,"loss":0.5,"gradNorm":1,"lr":0.1,"hooks":[],"seconds":1}\n';

/** Fills a folder called `run`; a name that ends in / is a folder in it. */
async function fill(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, 'run', name);
    await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) await writeFile(path, text);
  }
  return join(folder, 'run');
}

describe('requireRunFolder', () => {
  it.each<[string, Readonly<Record<string, string>>, boolean]>([
    ['a folder that does not exist', {}, false],
    ['an empty folder', { './': '' }, false],
    ['hidden files', { '.DS_Store': 'x' }, false],
    ['a run that ended before its first checkpoint', { 'log.jsonl': ENTRY }, true],
    ['one that left samples', { 'log.jsonl': ENTRY, 'samples-00000100.png': '' }, true],
    ['a run that ended before its first line', { 'log.jsonl': '' }, true],
  ])('takes %s', async (_label, files, anew) => {
    expect(await requireRunFolder(await fill(files), false)).toBe(anew);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['a run', { 'log.jsonl': ENTRY, 'checkpoint-00000100/': '' }, /holds a run already; go on with --resume/],
    ['a log of another kind', { 'log.jsonl': '{"event":"login"}\n' }, /holds no run of this command \(log\.jsonl\)/],
    ['a log that is no JSON', { 'log.jsonl': 'started\n' }, /holds no run/],
    ['a model', { 'student.onnx': 'x' }, /holds no run.*student\.onnx/],
    ['a log with notes', { 'log.jsonl': ENTRY, 'notes.md': '' }, /log\.jsonl, notes\.md/],
    ['many files', { a: '', b: '', c: '', d: '', e: '' }, /\(a, b, c and 2 more\); take a new folder/],
  ])('refuses %s', async (_label, files, message) => {
    const out = await fill(files);
    await expect(requireRunFolder(out, false)).rejects.toThrow(message);
  });

  it('leaves a run to be resumed to the one who resumes it', async () => {
    const out = await fill({ 'log.jsonl': ENTRY, 'checkpoint-00000100/': '' });
    expect(await requireRunFolder(out, true)).toBe(false);
  });

  it('refuses a file, and a path through one', async () => {
    const file = join(await fill({ file: '' }), 'file');
    await expect(requireRunFolder(file, true)).rejects.toThrow(`--out '${file}' is a file; name a folder`);
    await expect(requireRunFolder(join(file, 'run'), false)).rejects.toThrow('its path leads through a file');
  });
});

describe('requireFolderOf', () => {
  it('takes a former one, and nothing else', async () => {
    await requireFolderOf(join(folder, 'none'), ['L1', 'curves.png']);
    const out = await fill({ 'L1/': '', 'curves.png': '' });
    await requireFolderOf(out, ['L1', 'curves.png']);
    await expect(requireFolderOf(out, ['L1'])).rejects.toThrow('holds something else (L1, curves.png)');
    await expect(requireFolderOf(out, ['L2', 'L1', 'curves.png'])).rejects.toThrow('holds something else');
  });
});

describe('requireOutside', () => {
  it('knows a folder by what it is', async () => {
    const photos = await fill({ 'photos/': '' }).then((path) => join(path, 'photos'));
    const link = join(folder, 'link');
    await symlink(photos, link);
    for (const out of [photos, join(photos, 'run'), join(link, 'new', 'run')]) {
      await expect(requireOutside(out, [photos], 'seen')).rejects.toThrow(
        `'${out}' lies in '${photos}', whose pictures are seen;`,
      );
    }
    await requireOutside(`${photos}-run`, [photos], 'seen');
    await requireOutside(dirname(photos), [photos], 'seen');
  });
});
