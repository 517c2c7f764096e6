/** What pictures of a folder show, in words: `metadata.jsonl`, or a `.txt` beside each. */
import { readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';
import { isObject } from '../options/index.js';

const METADATA = 'metadata.jsonl';

/**
 * The caption of each file: its `text` in the folder's `metadata.jsonl`, lines such as `{"file_name": "fox.png", "text": "a red fox"}`; else the
 * `.txt` beside it; else `fallback`.
 * @param files paths that begin with the folder's.
 * @throws GlobalPercError for a line that is none, a picture that is not there, or a file that cannot be read.
 */
export async function captionsOf(folder: string, files: readonly string[], fallback = ''): Promise<string[]> {
  const told = await metadataOf(folder);
  const nameOf = (file: string): string => relative(folder, file).split(sep).join('/');
  const names = new Set(files.map(nameOf));
  for (const [name, line] of told.lines) {
    if (names.has(name)) continue;
    throw malformed(told.path, line, `'${name}' is no picture of '${folder}'`);
  }
  return Promise.all(files.map(async (file) => told.texts.get(nameOf(file)) ?? (await besideOf(file)) ?? fallback));
}

async function besideOf(file: string): Promise<string | undefined> {
  const text = await readIfThere(`${file.slice(0, -extname(file).length)}.txt`);
  return text?.trim();
}

interface Metadata {
  readonly path: string;
  readonly texts: ReadonlyMap<string, string>;
  /** Numbers of lines, from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

async function metadataOf(folder: string): Promise<Metadata> {
  const path = join(folder, METADATA);
  const [texts, lines] = [new Map<string, string>(), new Map<string, number>()];
  const content = (await readIfThere(path)) ?? '';
  for (const [i, line] of content.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [name, text] = parsed(line);
    if (typeof name !== 'string' || typeof text !== 'string')
      throw malformed(path, i + 1, 'expected {"file_name": "…", "text": "…"}');
    texts.set(name, text.trim());
    lines.set(name, i + 1);
  }
  return { path, texts, lines };
}

function parsed(line: string): readonly unknown[] {
  try {
    const entry: unknown = JSON.parse(line);
    return isObject(entry) ? [entry.file_name, entry.text] : [];
  } catch {
    return [];
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new GlobalPercError(`cannot read '${path}': ${reasonOf(error)}`, { code: 'io', cause: error });
  });
}

const malformed = (path: string, line: number, problem: string): GlobalPercError =>
  new GlobalPercError(`'${path}', line ${line}: ${problem}`, { code: 'invalid-file' });
