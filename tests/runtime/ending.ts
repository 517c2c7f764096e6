/** Processes that end while the worker is at work. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./ending.mjs', import.meta.url));

/** How a process is ended, and the exit code or signal that it must have then. */
export const ENDINGS = {
  exit: 3,
  throw: 1,
  reject: 1,
  interrupt: 'SIGINT',
  terminate: 'SIGTERM',
  handled: 4,
  nothing: 0,
} as const;

export type Ending = keyof typeof ENDINGS;

/** The exit code or signal of a process, and what it said of an abort. @param delay milliseconds into the work */
export function ended(how: Ending, phase: 'load' | 'open' | 'run', delay: number): Promise<[unknown, string]> {
  const child = spawn(process.execPath, [SCRIPT, how, phase, `${delay}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve([code ?? signal, /terminate called.*/.exec(said)?.[0] ?? ''])),
  );
}
