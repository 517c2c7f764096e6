/** Every code block of the documentation is complete: it is type-checked and run as it stands, with small files in place of large ones. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFinetuneConfig } from '../../src/cli/finetune-config.js';
import { BLOCKS, type Block, ROOT } from '../docs/documents.js';
import { putStandIns, shorter } from '../docs/stand-ins.js';

const run = promisify(execFile);
/** Inside the package, whose name then means itself. */
const folder = mkdtempSync(join(ROOT, 'tests', 'docs', 'blocks-'));

beforeAll(() => putStandIns(folder));
afterAll(() => rm(folder, { recursive: true }));

const written = (language: string): Block[] => BLOCKS.filter((block) => block.language === language);

const COMMAND = `${ROOT}/dist/cli/main.js`;

/** Run elsewhere: by tests/slow/demo.test.ts, as these very tests, and by what installs the package. */
const ELSEWHERE = /^(npm ci && npx globalperc demo|npm test|npm install [^&;]*)$/;

it('is in a language that is run', () => {
  // py: tests/docs/recipes.test.ts; html and the shell of bundlers.md: tests/bundlers; without language: not to be run.
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
  // The README's is run by its line of the shell; fine-tuning reads a pipeline of gigabytes.
  const isTraining = ({ document, place }: Block): boolean => document !== 'README.md' && !place.includes('finetune');

  it.each(written('json').filter(isTraining))('$place trains', async ({ code }) => {
    await writeFile(join(folder, 'documented.json'), shorter(code));
    const { stdout } = await run('node', [COMMAND, 'train', 'documented.json', '--out', 'documented', '--json'], {
      cwd: folder,
    });
    expect(JSON.parse(stdout)).toMatchObject({ steps: 2 });
  });
});

it('the JSON of `globalperc finetune` is what it takes', async () => {
  const blocks = written('json').filter(({ place }) => place.includes('finetune'));
  expect(blocks).toHaveLength(1);
  const path = join(folder, 'finetune.json');
  await writeFile(path, (blocks[0] as Block).code);
  expect(await readFinetuneConfig(path, { seed: 0, threads: undefined }, {})).toMatchObject({ steps: 500 });
});

describe('shell', () => {
  const lines = written('sh')
    .filter(({ document, code }) => document !== 'docs/bundlers.md' && !ELSEWHERE.test(code))
    .flatMap(({ place, code }) => code.split('\n').map((line) => ({ place, line })));

  beforeAll(async () => {
    const json = written('json').find(({ document }) => document === 'README.md')?.code ?? '';
    await writeFile(join(folder, 'train.json'), shorter(json));
  });

  it.each(lines)('$place: $line', async ({ line }) => {
    const [command, ...args] = line.split(' ');
    expect(command).toBe('globalperc');
    await run('node', [COMMAND, ...args], { cwd: folder });
    if (args.includes('--out')) expect(existsSync(join(folder, args[args.indexOf('--out') + 1] as string))).toBe(true);
  });
});
