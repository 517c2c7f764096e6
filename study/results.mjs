/**
 * Finished cells, one line of JSON each. A cell is told apart by its key: what was done, with which sizes.
 *
 * @typedef {Readonly<Record<string, unknown>>} Key
 * @typedef {{ key: Key, result: any, finished: string }} Line
 */
import { readFile } from 'node:fs/promises';
import { writeAtomically } from '../dist/data/index.js';

/** @param {Key} key */
const textOf = (key) => JSON.stringify(key);

export class Results {
  /** @param {string} path @param {Map<string, Line>} lines */
  constructor(path, lines) {
    this.path = path;
    this.lines = lines;
  }

  /** @param {string} path */
  static async open(path) {
    const text = await readFile(path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    /** @type {Line[]} */
    const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    return new Results(path, new Map(lines.map((line) => [textOf(line.key), line])));
  }

  /** @param {Key} key */
  has(key) {
    return this.lines.has(textOf(key));
  }

  /** @param {Key} key */
  get(key) {
    return this.lines.get(textOf(key))?.result;
  }

  /** Keeps a finished cell: the file is whole at any time. @param {Key} key @param {unknown} result */
  async add(key, result) {
    this.lines.set(textOf(key), { key, result, finished: new Date().toISOString() });
    const text = [...this.lines.values()].map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeAtomically(this.path, text);
  }
}
