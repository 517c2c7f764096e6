/** The packages as their users get them: packed, installed into empty folders, type-checked and run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNpy } from '../../src/data/npy.js';
import { type LpipsCase, lpipsFixture } from '../support/lpips.js';
import { hostOf } from '../support/safetensors.js';
import { Consumer, type Packed, pack, ROOT, removeAll, runIn } from './consumer.js';

let library: Packed;
let cli: Packed;

beforeAll(() => {
  library = pack(ROOT);
  cli = pack(join(ROOT, 'packages', 'cli'));
});
afterAll(removeAll);

describe('what is packed', () => {
  it('has no map without its source', () => {
    expect(library.files).toContain('dist/index.js');
    expect(library.files.filter((file) => file.endsWith('.map'))).toEqual([]);
    expect(library.text('dist/index.js')).not.toContain('sourceMappingURL');
  });

  it('has texts whose links lead somewhere', () => {
    const texts = [library, cli].flatMap(({ files, text }) =>
      files.filter((file) => file.endsWith('.md')).flatMap((file) => [...text(file).matchAll(/\]\(([^)#]+)[^)]*\)/g)]),
    );
    const inside = texts.map(([, target]) => target as string).filter((target) => !target.startsWith('https://'));
    expect(texts.length).toBeGreaterThan(10);
    expect(inside.filter((target) => !library.files.includes(target))).toEqual([]);
  });

  it.each([
    ['publint', 'library', (): string[] => ['publint', 'run', library.path, '--strict']],
    ['publint', 'cli', (): string[] => ['publint', 'run', cli.path, '--strict']],
    ['Are the types wrong?', 'library', (): string[] => ['attw', library.path, '--profile', 'esm-only']],
  ])('%s: %s', (_tool, _which, args) => {
    const { lines, code } = runIn(ROOT, 'npx', args());
    expect(code, lines.join('\n')).toBe(0);
  });
});

const SCRIPT = `
import { GlobalPercConfig, GlobalPercLoss, LPIPS, loadModel, nn, optim, Trainer } from 'globalperc';
import { DataLoader, encodePng, ImageFolder, readImage, readStateDict } from 'globalperc/data';

const loss = new GlobalPercLoss(await loadModel('model.onnx'), new GlobalPercConfig({ modulesToHook: [nn.ReLU] }));
const image = await readImage('image.png');
const { value, grad, samples } = await loss.valueAndGrad(image, image, { mask: image });
export const numbers: [number, Float32Array, Float32Array | undefined] = [value, grad.data, samples];
export const map: Float32Array = (await new LPIPS().map(image, image)).map.data;
export const trainer = await Trainer.create(new nn.Conv2d(3, 3, 1), loss, new optim.AdamW(), { batch: [1, 3, 64, 64] });
const photos = await ImageFolder.open('photos');
for await (const { input, target } of new DataLoader(photos).stream()) await trainer.step(input, target);
export const png: Uint8Array = await encodePng(image);
nn.manualSeed(Object.keys(await readStateDict('weights.pth')).length);
await loss.dispose();
`;

/** Strict, with the libraries of ES2022 and a page alone, types of dependencies checked. */
const OPTIONS = {
  ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['ES2022', 'DOM'], types: [] },
  ...{ skipLibCheck: false, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
};

const LINES = `
import { writeFileSync } from 'node:fs';
import { loadModel, LPIPS } from 'globalperc';
import { ImageFolder, readImage } from 'globalperc/data';

writeFileSync('image.png', '');
const image = { dims: [1, 3, 64, 64], data: new Float32Array(3 * 64 * 64) };
const wanted = [new LPIPS().evaluate(image, image), readImage('image.png'), ImageFolder.open(['image.png']), loadModel('a/b')];
for (const { reason } of await Promise.allSettled(wanted)) console.log(reason.code + ': ' + reason.message);
`;

describe('the library alone', () => {
  let consumer: Consumer;
  beforeAll(() => {
    consumer = new Consumer('library', [library.path]);
  });

  it('is few packages', () => {
    expect(consumer.packages).toEqual([
      ...['@bufbuild/protobuf', '@zip.js/zip.js', 'globalperc', 'onnx-buf', 'onnxruntime-common'],
    ]);
  });

  it('has types that hold in TypeScript 5.9', () => {
    const compiler = new Consumer('typescript', ['typescript@~5.9.0']);
    consumer.write('script.ts', SCRIPT);
    consumer.write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS, include: ['script.ts'] }));
    const tsc = join(compiler.folder, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(consumer.run('node', tsc, '-p', '.')).toEqual({ lines: [''], code: 0 });
  });

  it('names what is needed beside it', () => {
    consumer.write('script.mjs', LINES);
    const sharp =
      'runtime: reading or writing pictures needs the package sharp, which is not installed: npm install sharp';
    expect(consumer.run('node', 'script.mjs')).toEqual({
      lines: [
        'runtime: computing in Node needs the package onnxruntime-node, which is not installed: npm install onnxruntime-node ' +
          '(with ONNXRUNTIME_NODE_INSTALL=skip in the environment where only the npm registry can be reached)',
        sharp,
        sharp,
        'runtime: a model of the Hugging Face hub needs the package @huggingface/hub, which is not installed: ' +
          'npm install @huggingface/hub',
      ],
      code: 0,
    });
    const bundle = ['esbuild', 'script.mjs', '--bundle', '--platform=node', '--outfile=bundle.mjs', '--format=esm'];
    expect(runIn(consumer.folder, 'npx', ['--prefix', ROOT, ...bundle]).code, 'a bundler does not mind').toBe(0);
    expect(consumer.run('npx', 'globalperc', 'demo')).toEqual({
      lines: [
        'globalperc: the command globalperc needs the package commander, which is not installed: npm install globalperc-cli',
      ],
      code: 2,
    });
  });
});

const COMPUTING = `
import { LPIPS } from 'globalperc';
import { encodePng, readImage } from 'globalperc/data';
import { writeFile } from 'node:fs/promises';

const lpips = new LPIPS();
console.log(await lpips.evaluate(await readImage('pred.npy'), await readImage('target.npy')));
await writeFile('image.png', await encodePng({ dims: [1, 1, 2], data: new Float32Array([0, 1]) }));
console.log((await readImage('image.png')).data.join());
`;

it('the library, ONNX Runtime and sharp compute LPIPS as PyTorch does, and read pictures', () => {
  const consumer = new Consumer('node', [library.path, 'onnxruntime-node', 'sharp']);
  const { pred, target, losses } = lpipsFixture.cases.find(({ net }) => net === 'alex') as LpipsCase;
  consumer.write('pred.npy', formatNpy(hostOf(lpipsFixture.tensor(pred))));
  consumer.write('target.npy', formatNpy(hostOf(lpipsFixture.tensor(target))));
  consumer.write('script.mjs', COMPUTING);
  const { lines, code } = consumer.run('node', 'script.mjs');
  expect(code, lines.join('\n')).toBe(0);
  expect(Number(lines[0])).toBeCloseTo(losses.at(-1) as number, 5);
  expect(lines[1]).toBe('0,1,0,1,0,1');
  expect(consumer.packages).not.toContain('commander');
});

it('globalperc-cli brings all that the demo needs', () => {
  const consumer = new Consumer('cli', [library.path, cli.path]);
  const { lines, code } = consumer.run('npx', 'globalperc-cli', 'demo', '--steps', '1');
  expect(code, lines.join('\n')).toBe(0);
  expect(
    ['samples.png', 'curves.png', 'curves.svg'].filter((name) => !existsSync(join(consumer.folder, 'demo', name))),
  ).toEqual([]);
});
