#!/usr/bin/env node
/** The command `globalperc`. Exit code 2: the caller can put it right, one line on stderr; 1: a defect of ours. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { reasonOf } from '../files/index.js';
import { GlobalPercError } from '../index.js';
import { addCompile } from './compile.js';
import { addCurve } from './curve.js';
import { addDemo } from './demo.js';
import { addInspect } from './inspect.js';
import { addLoss } from './loss.js';
import { addTrain } from './train.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('globalperc')
  .description('Any pretrained ONNX model as a training loss')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(--help shows the options)');
for (const add of [addDemo, addTrain, addInspect, addLoss, addCompile, addCurve]) add(program);
for (const command of program.commands) command.exitOverride();

// A reader that has seen enough, such as `head`, is no mistake.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`globalperc: cannot write the result: ${reasonOf(error)}\n`);
  process.exitCode = 2;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof GlobalPercError) {
    process.stderr.write(`globalperc: ${error.message}\n`);
    return 2;
  }
  process.stderr.write(`globalperc: internal error\n${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
