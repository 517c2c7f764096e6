/** A script on the command line, whose flags are no flags for a worker. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

const SCRIPT = `
  import { nn } from '${new URL('../../dist/index.js', import.meta.url).href}';
  const loss = new nn.L1Loss();
  const image = (value) => ({ dims: [1, 1], data: Float32Array.of(value) });
  console.log(await loss.evaluate(image(1), image(3)));
`;

it.each([[['--input-type=module']], [['--expose-gc', '--input-type', 'module']]])(
  'node %j --eval computes',
  (flags) => {
    expect(execFileSync('node', [...flags, '--eval', SCRIPT], { encoding: 'utf8' })).toBe('2\n');
  },
);
