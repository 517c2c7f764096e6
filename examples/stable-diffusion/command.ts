/** The command `globalperc finetune`, in this process. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCommand } from '../../dist/cli/command.js';

/** Runs it with a configuration, which is written beside the run as `<out>.json`; a run that was begun goes on. Ends the process where it does not come to its end. */
export async function finetune(config: object, out: string, seed = 0): Promise<void> {
  const path = `${out}.json`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`);
  const begun = existsSync(out) && readdirSync(out).some((name) => name.startsWith('checkpoint-'));
  const code = await runCommand(['finetune', path, '--out', out, '--seed', `${seed}`, ...(begun ? ['--resume'] : [])]);
  // One that was stopped has set the exit code itself.
  if (code > 0 || process.exitCode) process.exit(code || undefined);
}
