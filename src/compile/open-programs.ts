/** Which programs stay open: images of many sizes would otherwise fill the memory with a session for each. */
import { REMEMBERED } from '../graph/index.js';
import { platform } from '../runtime/index.js';
import type { CheckedSession } from './checked-session.js';

/** A session, and what decides whether it stays. */
export interface OpenProgram {
  readonly session: CheckedSession;
  /** What tells its graph apart from those that differ in their sizes alone: all that have the same share a session. */
  readonly structure?: string | undefined;
  /** Whether it stays whatever comes. */
  readonly held: boolean;
  /** What it is estimated to take. */
  readonly bytes: number;
}

/** So many keep what they have allocated for the next call, which is faster by some per cent, and takes more than half of a program's memory. */
const KEEPING = 4;

/** As much of the memory is theirs. */
const SHARE_OF_MEMORY = 0.5;

/** So many programs are remembered that share sessions: what each is given are some thousand bytes. */
const SIZES = 64;

/** Programs by key, in the order of their last use. */
export class OpenPrograms<P extends OpenProgram> {
  private readonly programs = new Map<string, P>();

  get isEmpty(): boolean {
    return this.programs.size === 0;
  }

  /** Whether a further session should give back what it has allocated after each call: images come in many sizes. */
  get areMany(): boolean {
    return this.bySession().size >= KEEPING;
  }

  get(key: string): P | undefined {
    const program = this.programs.get(key);
    if (program) {
      this.programs.delete(key);
      this.programs.set(key, program);
    }
    return program;
  }

  /** A program of this structure. */
  of(structure: string): P | undefined {
    return [...this.programs.values()].find((program) => program.structure === structure);
  }

  /** Adds one. @returns one program for each session that is to be closed: the longest unused. */
  add(key: string, program: P): P[] {
    this.programs.set(key, program);
    const closed: P[] = [];
    const sessions = this.bySession();
    for (const [session, keys] of sessions) {
      const last = this.programs.get(keys.at(-1) as string) as P;
      if (session === sessionOf(program) || last.held) continue;
      if (sessions.size <= REMEMBERED && this.bytes <= SHARE_OF_MEMORY * platform.memory.total) break;
      for (const each of keys) this.programs.delete(each);
      sessions.delete(session);
      closed.push(last);
    }
    const sharing = sessions.get(sessionOf(program)) ?? [];
    for (const each of sharing.slice(0, Math.max(sharing.length - SIZES, 0))) this.programs.delete(each);
    return closed;
  }

  /** Removes all. @returns one program for each session, to be closed. */
  clear(): P[] {
    const programs = Array.from(this.bySession().values(), (keys) => this.programs.get(keys[0] as string) as P);
    this.programs.clear();
    return programs;
  }

  /** The keys of programs that share a session, and the sessions, in the order of their last use. */
  private bySession(): Map<string | P, string[]> {
    const sessions = new Map<string | P, string[]>();
    for (const [key, program] of this.programs) {
      const session = sessionOf(program);
      const keys = sessions.get(session) ?? [];
      sessions.delete(session);
      sessions.set(session, [...keys, key]);
    }
    return sessions;
  }

  /** A session holds on to what the largest of its programs takes. */
  private get bytes(): number {
    const programs = (keys: readonly string[]): number[] => keys.map((key) => this.programs.get(key)?.bytes ?? 0);
    return [...this.bySession().values()].reduce((sum, keys) => sum + Math.max(...programs(keys)), 0);
  }
}

/** What stands for the session of a program. */
const sessionOf = <P extends OpenProgram>(program: P): string | P => program.structure ?? program;
