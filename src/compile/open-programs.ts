/** Which programs stay open: images of many sizes would otherwise fill the memory with a session for each. */
import { REMEMBERED } from '../graph/index.js';
import { platform } from '../runtime/index.js';
import type { CheckedSession } from './checked-session.js';

/** A session, and what decides whether it stays. */
export interface OpenProgram {
  readonly session: CheckedSession;
  /** Whether it stays whatever comes. */
  readonly held: boolean;
  /** What it is estimated to take. */
  readonly bytes: number;
}

/** So many keep what they have allocated for the next call, which is faster by some per cent, and takes more than half of a program's memory. */
const KEEPING = 4;

/** As much of the memory is theirs. */
const SHARE_OF_MEMORY = 0.5;

/** Programs by key, in the order of their last use. */
export class OpenPrograms<P extends OpenProgram> {
  private readonly programs = new Map<string, P>();

  get isEmpty(): boolean {
    return this.programs.size === 0;
  }

  /** Whether a further one should give back what it has allocated after each call: images come in many sizes. */
  get areMany(): boolean {
    return this.programs.size >= KEEPING;
  }

  get(key: string): P | undefined {
    const program = this.programs.get(key);
    if (program) {
      this.programs.delete(key);
      this.programs.set(key, program);
    }
    return program;
  }

  /** Adds one. @returns those that are to be closed: the longest unused. */
  add(key: string, program: P): P[] {
    this.programs.set(key, program);
    const others = [...this.programs].filter(([other, { held }]) => other !== key && !held);
    const closed: P[] = [];
    for (const [other, unused] of others) {
      if (this.programs.size <= REMEMBERED && this.bytes <= SHARE_OF_MEMORY * platform.memory.total) break;
      this.programs.delete(other);
      closed.push(unused);
    }
    return closed;
  }

  /** Removes all. @returns them, to be closed. */
  clear(): P[] {
    const programs = [...this.programs.values()];
    this.programs.clear();
    return programs;
  }

  private get bytes(): number {
    return Array.from(this.programs.values(), ({ bytes }) => bytes).reduce((sum, bytes) => sum + bytes, 0);
  }
}
