/** The scenarios of RELIABILITY.md, a few times each: nothing is lost. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../docs/documents.js';

const SCALE = '0.01';

describe.each(readdirSync(`${ROOT}/reliability/scenarios`))('%s', (file) => {
  it('loses nothing', async () => {
    const args = [`${ROOT}/reliability/run.mjs`, file.replace('.mjs', ''), '--scale', SCALE];
    // It fails where something is lost, and says what.
    const { stdout } = await promisify(execFile)(process.execPath, args).catch((error) => error);
    expect(JSON.parse(stdout).lost).toEqual([]);
  }, 300_000);
});
