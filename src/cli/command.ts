/** The command `globalperc` without its process: what the arguments ask for is done, and its exit code is the result. */
import { createRequire } from 'node:module';
import { GlobalPercError } from '../index.js';
import { loadPeer } from '../peers/index.js';
import { addCompile } from './compile.js';
import { addCurve } from './curve.js';
import { addDemo } from './demo.js';
import { addExplain } from './explain.js';
import { addFinetune } from './finetune.js';
import { addInspect } from './inspect.js';
import { addLoss } from './loss.js';
import { addSample } from './sample.js';
import { addStudio } from './studio.js';
import { addTrain } from './train.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/**
 * Runs `globalperc ...args`. Exit code 0: done; 2: the caller can put it right, one line on stderr; 1: a defect of ours.
 * A command that is stopped by a signal sets the exit code of the process itself.
 */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    return await parse(args, await loadPeer('commander', () => import('commander')));
  } catch (error) {
    return exitCodeOf(error);
  }
}

async function parse(
  args: readonly string[],
  { Command, CommanderError }: typeof import('commander'),
): Promise<number> {
  const program = new Command('globalperc')
    .description('Any pretrained ONNX model as a training loss')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(--help shows the options)');
  for (const add of [
    addDemo,
    addTrain,
    addInspect,
    addLoss,
    addExplain,
    addCompile,
    addCurve,
    addFinetune,
    addSample,
    addStudio,
  ])
    add(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof GlobalPercError) {
    process.stderr.write(`globalperc: ${error.message}\n`);
    return 2;
  }
  process.stderr.write(`globalperc: internal error\n${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
