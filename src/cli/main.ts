#!/usr/bin/env node
/** The process of the command `globalperc`. */
import { reasonOf } from '../files/index.js';
import { runCommand } from './command.js';

// A reader that has seen enough, such as `head`, is no mistake.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`globalperc: cannot write the result: ${reasonOf(error)}\n`);
  process.exitCode = 2;
});

const code = await runCommand(process.argv.slice(2));
if (code !== 0) process.exitCode = code;
