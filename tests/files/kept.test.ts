/** Files that can be made anew: bounded, whole, and never in the way. */
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeptFiles, userCache, withHome } from '../../src/files/kept.js';

const key = (digit: string): string => digit.repeat(64);
const file = (digit: string): string => `${key(digit)}.kept`;
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

const aged = (name: string, minutes: number): void => {
  const then = new Date(Date.now() - minutes * 60_000);
  utimesSync(join(folder, name), then, then);
};

describe('kept files', () => {
  it('are read as they were written, by others too, and make their folder', () => {
    const inner = join(folder, 'a', 'b');
    new KeptFiles(inner, 100).write(key('1'), bytes(3));
    const others = new KeptFiles(inner, 100);
    expect(others.read(key('1'))).toEqual(Buffer.from(bytes(3)));
    expect(others.read(key('2'))).toBeUndefined();
    expect(readdirSync(inner)).toEqual([file('1')]);
  });

  it('make room by what was longest unused', () => {
    const kept = new KeptFiles(folder, 100);
    for (const [i, digit] of ['1', '2'].entries()) {
      kept.write(key(digit), bytes(40));
      aged(file(digit), 10 - i);
    }
    kept.read(key('1'));
    kept.write(key('3'), bytes(40));
    expect(readdirSync(folder).sort()).toEqual([file('1'), file('3')]);
  });

  it('leave out what exceeds all room', () => {
    const kept = new KeptFiles(folder, 100);
    kept.write(key('1'), bytes(100));
    kept.write(key('2'), bytes(101));
    expect(readdirSync(folder)).toEqual([file('1')]);
  });

  it('touch nobody else’s, and remove what a process left unfinished long ago', () => {
    const unfinished = `${file('4')}.${crypto.randomUUID()}`;
    const recent = `${file('5')}.${crypto.randomUUID()}`;
    for (const name of ['letter.txt', `${key('6')}.txt`, unfinished, recent]) writeFileSync(join(folder, name), 'x');
    for (const name of ['letter.txt', `${key('6')}.txt`, unfinished]) aged(name, 61);
    new KeptFiles(folder, 4).write(key('1'), bytes(4));
    expect(readdirSync(folder).sort()).toEqual([file('1'), recent, 'letter.txt', `${key('6')}.txt`].sort());
  });

  it('are not kept where they cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    const kept = new KeptFiles(join(folder, 'file', 'inner'), 100);
    kept.write(key('1'), bytes(3));
    expect(kept.read(key('1'))).toBeUndefined();
  });
});

it('the folder of caches is where the user has it', () => {
  vi.stubEnv('XDG_CACHE_HOME', '/caches');
  expect(userCache('a')).toBe(join('/caches', 'a'));
  vi.stubEnv('XDG_CACHE_HOME', '');
  expect(userCache('a')).toBe(join(withHome('~'), '.cache', 'a'));
});
