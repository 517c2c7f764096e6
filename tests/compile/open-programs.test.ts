/** Which sessions are closed when there are many. */
import { describe, expect, it } from 'vitest';
import { type OpenProgram, OpenPrograms } from '../../src/compile/open-programs.js';
import { REMEMBERED } from '../../src/graph/index.js';
import { platform } from '../../src/runtime/index.js';

const program = (bytes = 0, held = false, structure?: string) => ({ bytes, held, structure }) as OpenProgram;
const keys = Array.from({ length: REMEMBERED }, (_, i) => `size ${i}`);

describe('programs', () => {
  it('stay open up to a number; the longest unused is closed', () => {
    const programs = new OpenPrograms();
    const added = keys.map((key) => [key, program()] as const);
    for (const [key, one] of added) expect(programs.add(key, one)).toEqual([]);
    programs.get('size 0');
    expect(programs.add('another', program())).toEqual([added[1]?.[1]]);
    expect(programs.get('size 1')).toBeUndefined();
    expect(programs.get('size 0')).toBe(added[0]?.[1]);
  });

  it('stay open whatever comes where they are held', () => {
    const programs = new OpenPrograms();
    const held = program(0, true);
    programs.add('step', held);
    for (const key of keys) programs.add(key, program());
    expect(programs.get('step')).toBe(held);
    expect(programs.get('size 0')).toBeUndefined();
    expect(programs.clear()).toHaveLength(REMEMBERED);
  });

  it('are closed where they take half of the memory, but for the newest', () => {
    const programs = new OpenPrograms();
    const [first, second, large] = [program(100), program(100), program(2 * platform.memory.total)];
    programs.add('first', first);
    programs.add('second', second);
    expect(programs.add('large', large)).toEqual([first, second]);
    expect(programs.get('large')).toBe(large);
  });

  it('that share a session count as one, and it is closed once', () => {
    const programs = new OpenPrograms();
    const sharing = keys.map((key) => [key, program(0, false, 'conv')] as const);
    for (const [key, one] of sharing) expect(programs.add(key, one)).toEqual([]);
    expect(programs.areMany).toBe(false);
    expect(programs.of('conv')).toBe(sharing[0]?.[1]);
    expect(programs.of('pool')).toBeUndefined();
    for (const key of keys.slice(1)) expect(programs.add(`another ${key}`, program())).toEqual([]);
    expect(programs.get('size 2')).toBe(sharing[2]?.[1]);
    const [longestUnused] = programs.add('one more', program());
    expect([longestUnused?.structure, programs.get('another size 1')]).toEqual([undefined, undefined]);
    expect(programs.get('size 0')).toBe(sharing[0]?.[1]);
    expect(programs.clear().filter(({ structure }) => structure === 'conv')).toHaveLength(1);
    expect(programs.isEmpty).toBe(true);
  });

  it('that share a session take as much as the largest of them', () => {
    const programs = new OpenPrograms();
    const half = 0.4 * platform.memory.total;
    for (const key of keys) expect(programs.add(key, program(half, false, 'conv'))).toEqual([]);
    expect(programs.add('another', program(half))).toHaveLength(1);
    expect(programs.get('size 0')).toBeUndefined();
    expect(programs.get('another')).toBeDefined();
  });

  it('that share a session are forgotten one by one when they are very many, and it stays open', () => {
    const programs = new OpenPrograms();
    for (let i = 0; i < 65; i += 1) expect(programs.add(`${i}`, program(0, false, 'conv'))).toEqual([]);
    expect([programs.get('0'), programs.get('1')?.structure]).toEqual([undefined, 'conv']);
  });
});
