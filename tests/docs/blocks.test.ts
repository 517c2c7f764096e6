/** Every code block of the documentation is complete: it is type-checked and run as it stands, with small files in place of large ones. */
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCKS, type Block, ROOT } from './documents.js';
import { putStandIns, shorter } from './stand-ins.js';

const run = promisify(execFile);
/** Inside the package, whose name then means itself. */
const folder = mkdtempSync(join(ROOT, 'tests', 'docs', 'blocks-'));

beforeAll(() => putStandIns(folder));
afterAll(() => rm(folder, { recursive: true }));

const written = (language: string): Block[] => BLOCKS.filter((block) => block.language === language);

const COMMAND = `${ROOT}/dist/cli/main.js`;

/** Blocks that are run elsewhere. */
const ELSEWHERE: Readonly<Record<string, RegExp>> = {
  // tests/slow/demo.test.ts; this very test; tests/bundlers installs.
  sh: /^(npm ci && npx globalperc demo|npm test|npm install [\s\S]*)$/,
};

it('is in a language that is run', () => {
  // py: recipes.test.ts; html and the shell of bundlers.md: tests/bundlers; without language: not to be run.
  const known = new Set(['ts', 'json', 'sh', 'py', 'html']);
  const others = BLOCKS.filter(({ language }) => !known.has(language)).map(({ place }) => place);
  expect(others).toEqual([expect.stringMatching(/^docs\/command-line\.md/)]);
});

describe('TypeScript', () => {
  const scripts = written('ts').map((block, i) => ({ ...block, name: `block-${i}` }));

  it('holds its types', async () => {
    for (const { name, code } of scripts) await writeFile(join(folder, `${name}.ts`), `${code}\nexport {};\n`);
    const compilerOptions = {
      ...{
        strict: true,
        noEmit: true,
        module: 'nodenext',
        target: 'es2023',
        lib: ['ES2023', 'DOM', 'ESNext.Disposable'],
      },
      ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: true, types: ['node'] },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const { stdout } = await run('npx', ['tsc', '-p', folder], { cwd: ROOT }).catch((error) => error);
    expect(stdout).toBe('');
  });

  it.each(scripts)('$place runs', async ({ name, code }) => {
    const { code: script } = await transform(shorter(code), { loader: 'ts' });
    await writeFile(join(folder, `${name}.mjs`), script);
    await run('node', [`${name}.mjs`], { cwd: folder });
  });
});

describe('JSON of `globalperc train`', () => {
  it.each(written('json').map((block, i) => ({ ...block, name: `train-${i}` })))(
    '$place trains',
    async ({ name, code }) => {
      await writeFile(join(folder, `${name}.json`), shorter(code));
      const { stdout } = await run('node', [COMMAND, 'train', `${name}.json`, '--out', name, '--json'], {
        cwd: folder,
      });
      expect(JSON.parse(stdout)).toMatchObject({ steps: 2 });
    },
  );
});

describe('shell', () => {
  const lines = written('sh')
    .filter(({ code, document }) => document !== 'docs/bundlers.md' && !ELSEWHERE.sh?.test(code))
    .flatMap(({ place, code }) => code.split('\n').map((line) => ({ place, line })));

  it.each(lines)('$place: $line', async ({ line }) => {
    const [command, ...args] = line.split(' ');
    expect(command).toBe('globalperc');
    const json = written('json').find(({ document }) => document === 'README.md')?.code ?? '';
    await writeFile(join(folder, 'train.json'), shorter(json));
    const { stderr } = await run('node', [COMMAND, ...args], { cwd: folder });
    expect(stderr).not.toMatch(/^globalperc:/m);
    const out = args[args.indexOf('--out') + 1];
    if (args.includes('--out') && out?.includes('.'))
      expect((await readFile(join(folder, out))).length).toBeGreaterThan(0);
  });
});
