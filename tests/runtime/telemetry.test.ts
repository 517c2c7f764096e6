/** ONNX Runtime's telemetry is off: it leaves nothing in the user's folder. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).href;
const MODEL = fileURLToPath(`${ROOT}assets/lpips-alex.onnx`);

/** What a script leaves in an empty home, and says on stderr. */
async function inEmptyHome(script: string): Promise<{ left: string[]; stderr: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'globalperc-home-'));
  const [path, HOME] = [join(folder, 'script.mjs'), join(folder, 'home')];
  try {
    await mkdir(HOME);
    await writeFile(path, script);
    // Compiled programs are kept by intention.
    const env = { PATH: process.env.PATH, HOME, GLOBALPERC_CACHE: 'off' };
    const { stderr } = await promisify(execFile)('node', [path], { env });
    return { stderr, left: await readdir(HOME, { recursive: true }) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const USING = `
  import { nn } from '${ROOT}dist/index.js';
  const image = { dims: [1, 3, 4, 4], data: new Float32Array(48) };
  const loss = new nn.L1Loss();
`;

it.each([
  ['awaited', `${USING} await loss.evaluate(image, image);`],
  ['blocking', `${USING} const { valueAndGrad } = await loss.synchronous(); valueAndGrad(image, image);`],
  [
    'the command',
    `process.argv.push('inspect', '${MODEL}', '--input', '1,3,64,64'); await import('${ROOT}dist/cli/main.js');`,
  ],
])('nothing is left: %s', async (_how, script) => {
  expect(await inEmptyHome(script)).toEqual({ left: [], stderr: '' });
});

// What the tests above would see otherwise; elsewhere ONNX Runtime writes nothing.
it.runIf(process.platform === 'linux' && process.arch === 'x64')('ONNX Runtime alone keeps a device id', async () => {
  const { left } = await inEmptyHome(`
    import { createRequire } from 'node:module';
    const { InferenceSession } = createRequire('${ROOT}')('onnxruntime-node');
    await InferenceSession.create('${MODEL}');
  `);
  expect(left.some((path) => path.endsWith('deviceid'))).toBe(true);
});

it.runIf(process.platform === 'linux')('a worker thread, which cannot turn it off, says so', async () => {
  const worker = encodeURIComponent(`${USING} await loss.evaluate(image, image);`).replaceAll("'", '%27');
  const { stderr } = await inEmptyHome(`
    import { Worker } from 'node:worker_threads';
    new Worker(new URL('data:text/javascript,${worker}'));
  `);
  expect(stderr).toContain('set ORT_DISABLE_TELEMETRY=1 in the environment of the process');
});
