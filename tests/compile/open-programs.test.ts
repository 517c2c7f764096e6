/** Which sessions are closed when there are many. */
import { describe, expect, it } from 'vitest';
import { type OpenProgram, OpenPrograms } from '../../src/compile/open-programs.js';
import { REMEMBERED } from '../../src/graph/index.js';
import { platform } from '../../src/runtime/index.js';

const program = (bytes = 0, held = false) => ({ bytes, held }) as OpenProgram;
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
});
