/** The command as a user calls it: results, exit codes, one line per mistake, no partial files. */
import { spawnSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { formatNpy, parseNpy } from '../../src/data/index.js';
import { constantOf } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, modelBytes } from '../onnx/build.js';
import { runHere } from '../support/command.js';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const models = fileURLToPath(new URL('../../fixtures/data/models/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const inProcess = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });
const run = (...args: string[]) => runHere(args);

const image = (side: number, phase: number) =>
  formatNpy({
    dims: [1, 3, side, side],
    data: Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * phase) ** 2),
  });
const vgg = join(models, 'vgg.torchscript.onnx');
const vit = join(models, 'vit.dynamo.onnx');
const [pred, target] = [file('pred.npy', image(32, 0.37)), file('target.npy', image(32, 0.91))];

/** y = x + w, with w in a file that is not there. */
function externalModel(): Uint8Array {
  const graph = createGraph();
  const image = graph.input('x', 'float32', [1, 8]);
  graph.output('y', image.add(graph.constant(constantOf('float32', [8], new Array(8).fill(1)), 'weights.bin')));
  return writeOnnx(graph, { opset: 20, externalFrom: 1 }).model;
}

/** relu(image · factor + offset). */
const severalInputs = file(
  'inputs.onnx',
  modelBytes({
    inputs: [input('image', [1, 3, 32, 32]), input('factor', []), input('offset', [3, 1, 1])],
    nodes: [
      ['Mul', ['image', 'factor'], ['scaled']],
      ['Add', ['scaled', 'offset'], ['sum']],
      ['Relu', ['sum'], ['y']],
    ],
  }),
);

/** relu(image · factor) with one weight of three channels. */
const scaling = (name: string, factor: number): string =>
  file(
    name,
    modelBytes({
      inputs: [input('image', [1, 3, 32, 32])],
      nodes: [
        ['Mul', ['image', 'factor'], ['h']],
        ['Relu', ['h'], ['y']],
      ],
      initializers: [floatTensor('factor', [3, 1, 1], [1, factor, 1])],
    }),
  );

/** a + b, of which either could be the image. */
const ambiguous = file(
  'ambiguous.onnx',
  modelBytes({
    inputs: [input('a', [1, 3, 8, 8]), input('b', [1, 3, 8, 8])],
    nodes: [['Add', ['a', 'b'], ['y']]],
  }),
);

describe('results', () => {
  it('loss takes further inputs as numbers and arrays', async () => {
    const offset = file('offset.npy', formatNpy({ dims: [3, 1, 1], data: Float32Array.of(1, 2, 3) }));
    const lossAt = async (factor: number): Promise<number> => {
      const { stdout, status } = await run(
        ...['loss', severalInputs, pred, target, '--image', 'image', '--json'],
        ...['--set', `factor=${factor}`, '--set', `offset=${offset}`],
      );
      expect(status).toBe(0);
      return JSON.parse(stdout).loss;
    };
    expect(await lossAt(0)).toBeCloseTo(0, 6);
    expect(await lossAt(3)).toBeGreaterThan(1e-3);
  });

  it('loss --json prints one object, --grad writes the gradient', () => {
    const out = join(folder, 'grad.npy');
    const { stdout, status } = inProcess('loss', vgg, pred, target, '--json', '--grad', out);
    expect(status).toBe(0);
    const { loss, hooks } = JSON.parse(stdout);
    expect(
      hooks.reduce((sum: number, hook: { weight: number; loss: number }) => sum + hook.weight * hook.loss, 0),
    ).toBeCloseTo(loss, 4);
    expect(Object.keys(hooks[0])).toEqual(['index', 'path', 'class', 'shape', 'weight', 'loss', 'samples']);
    expect(parseNpy(readFileSync(out), out).dims).toEqual([1, 3, 32, 32]);
  });

  it('inspect shows the tree, hooks, shapes and weights', async () => {
    const { stdout, status } = await run(
      'inspect',
      vgg,
      '--input',
      '1,3,32,32',
      '--hook',
      'Linear',
      '--hook',
      '/features\\.0$/',
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/\(0\): Conv2d {2}\[1, 8, 32, 32\], 224 parameters {2}← hook 0 weight 1/);
    expect(stdout).toMatch(/3 hooks\n$/);
  });

  it('loss and compile take --hook in place of the hooks of the configuration', async () => {
    const config = file('hooks.json', JSON.stringify({ modulesToHook: ['ReLU'] }));
    const chosen = ['--config', config, '--hook', 'Linear', '--hook', '/features\\.0$/'];
    const { stdout } = await run('loss', vgg, pred, target, '--json', ...chosen);
    const classes = JSON.parse(stdout).hooks.map((hook: { class: string }) => hook.class);
    expect(classes).toEqual(['Conv2d', 'Linear', 'Linear']);
    const out = join(folder, 'hooked.onnx');
    const compiled = await run('compile', vgg, '--input', '1,3,32,32', '--out', out, ...chosen);
    expect([compiled.status, compiled.stderr]).toEqual([0, '']);
    const { outputs } = (await loadModel(out, { input: 'pred' })).graph;
    expect(outputs.find(({ name }) => name === 'hook_losses')?.declaredShape).toEqual([3]);
  });

  it('may be cut short by their reader, but not by a full disk', () => {
    const shell = (line: string) => spawnSync('sh', ['-c', line, process.execPath, command, vgg], { encoding: 'utf8' });
    expect(shell('"$0" "$1" inspect "$2" --json | true').stderr).toBe('');
    const { status, stderr } = shell('"$0" "$1" inspect "$2" > /dev/full');
    expect([status, stderr]).toEqual([
      2,
      'globalperc: cannot write the result: the disk is full; free some space and try again\n',
    ]);
  });

  it('a loss without Normalize tells of 8-bit values on stderr', async () => {
    const data = Float32Array.from({ length: 3072 }, (_, i) => i % 256);
    const { status, stderr } = await run(
      'loss',
      vgg,
      file('bytes.npy', formatNpy({ dims: [1, 3, 32, 32], data })),
      target,
    );
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^warning: pred holds values from 0\.00 to 255\.00; .*set inputRange: \[0, 255\] \(on the command line, --input-range 0,255\)$/m,
    );
  });

  it('loss takes --input-range of arrays; pictures beside them are brought to it', async () => {
    const bytes = Uint8Array.from({ length: 3072 }, (_, i) => (i * 37) % 256);
    const picture = join(folder, 'picture.png');
    await sharp(bytes, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toFile(picture);
    const data = Float32Array.from(
      { length: 3072 },
      (_, i) => (bytes[3 * (i % 1024) + Math.floor(i / 1024)] as number) / 127.5 - 1,
    );
    const array = file('signed.npy', formatNpy({ dims: [1, 3, 32, 32], data }));
    const signed = ['--input-range', '-1,1', '--json'];
    const same = await runHere(['loss', vgg, array, picture, ...signed]);
    expect([same.status, same.stderr]).toEqual([0, '']);
    expect(JSON.parse(same.stdout).loss).toBeCloseTo(0, 4);
    expect(JSON.parse((await runHere(['loss', vgg, array, picture, '--json'])).stdout).loss).toBeGreaterThan(0.01);
    const config = file('signed.json', JSON.stringify({ inputRange: [-1, 1] }));
    expect((await runHere(['loss', vgg, array, picture, '--config', config, '--json'])).stdout).toBe(same.stdout);
    expect(await runHere(['loss', vgg, array, picture, '--input-range', '0,2'])).toMatchObject({
      status: 2,
      stderr: "globalperc: --input-range should be one of 0,1 | -1,1 | 0,255, got '0,2'\n",
    });
    const out = join(folder, 'ranged.onnx');
    const compiled = await runHere(['compile', vgg, '--input', '1,3,32,32', '--out', out, '--input-range', '-1,1']);
    expect(compiled.status).toBe(0);
  });

  it('compile and curve write their files', async () => {
    const [onnx, svg, png] = ['loss.onnx', 'curve.svg', 'curve.png'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    expect((await run('compile', vgg, '--input', '1,3,32,32', '--out', onnx)).status).toBe(0);
    expect((await run('curve', '--force', '3', '--out', svg)).status).toBe(0);
    expect((await run('curve', '--hooks', '5', '--out', png)).status).toBe(0);
    expect(readFileSync(svg, 'utf8')).toContain('hook (execution order)');
    expect(readFileSync(png).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('mistakes', () => {
  const text = file('text.onnx', 'this is not a model');
  const truncated = file('truncated.onnx', readFileSync(vgg).subarray(0, 9000));
  const external = file('external.onnx', externalModel());
  const nan = file('nan.npy', formatNpy({ dims: [1, 3, 32, 32], data: new Float32Array(3072).fill(Number.NaN) }));
  const config = (name: string, content: object | string) =>
    file(name, typeof content === 'string' ? content : JSON.stringify(content));
  const small = file('small.npy', image(16, 0.5));
  const weights = scaling('nan-weights.onnx', Number.NaN);
  const overflowing = scaling('overflowing.onnx', 3e38);
  const one = { dims: [1, 3, 32, 32], data: new Float32Array(3072).fill(1.5) };
  const [bright, hwc] = [file('bright.npy', formatNpy(one)), file('hwc.npy', formatNpy({ ...one, dims: [32, 32, 3] }))];
  const plain = config('plain.json', { lossFunc: 'l1' });
  mkdirSync(join(folder, 'folder.npy'));

  it.each([
    ['a missing model', ['loss', 'nowhere.onnx', pred, target], /nowhere\.onnx': there is no such file/],
    ['not an ONNX file', ['loss', text, pred, target], /not an ONNX/],
    ['a truncated file', ['loss', truncated, pred, target], /truncated/],
    ['missing external data', ['inspect', external], /keeps its weights in 'weights\.bin', which should lie beside it/],
    ['a missing image', ['loss', vgg, 'nowhere.png', target], /nowhere\.png': there is no such file/],
    ['a broken image', ['loss', vgg, text, target], /is not an image that can be read/],
    ['shapes that differ', ['loss', vgg, pred, small], /they must be the same/],
    [
      'a shape the model refuses',
      ['loss', vit, pred, target],
      /the model accepts input \[.*3, 42, 56\], got \[1, 3, 32, 32\]/,
    ],
    ['NaN', ['loss', vgg, nan, target], /pred holds NaN at \[0,0,0,0\]/],
    ['no module matched', ['inspect', vgg, '--hook', 'GELU'], /no module matched GELU; the model has Conv2d/],
    ['an input without value', ['loss', severalInputs, pred, target], /input 'factor' \(float32 \[\]\) has no value/],
    [
      'a value that is none',
      ['inspect', severalInputs, '--set', 'factor=much'],
      /--set factor should be a number, got 'much'/,
    ],
    ['a bad pattern', ['inspect', vgg, '--hook', '/(/'], /not a valid regular expression/],
    [
      'an unknown key',
      ['loss', vgg, pred, target, '--config', config('key.json', { startweight: 1 })],
      /'startweight' is not known; did you mean 'startWeight'\?/,
    ],
    [
      'a configuration that is not JSON',
      ['loss', vgg, pred, target, '--config', config('bad.json', '{')],
      /is not JSON/,
    ],
    ['a bad shape', ['inspect', vgg, '--input', '1,3,x'], /--input should be positive dimensions/],
    ['a missing option', ['compile', vgg, '--out', join(folder, 'no.onnx')], /--input/],
    [
      'weights that are NaN',
      ['loss', weights, pred, target],
      /nan-weights\.onnx: the weight 'factor' .*holds NaN \(1 of its 3/,
    ],
    [
      'a loss that is not finite',
      ['loss', overflowing, bright, target, '--config', plain, '--grad', join(folder, 'no.npy')],
      /the loss is Infinity, first at hook 0 \(.*ReLU\)/,
    ],
    [
      'height, width, channels',
      ['loss', vgg, hwc, hwc],
      /\[32, 32, 3\] looks like height, width, channels: transpose to \[1, 3, 32, 32\]/,
    ],
    ['an empty hook', ['loss', vgg, pred, target, '--hook', ''], /--hook should be a class name or \/pattern\//],
    ['several inputs', ['loss', severalInputs, pred, target, '--image', 'factors'], /there is no input 'factors'/],
    [
      'inputs that may all be the image',
      ['inspect', ambiguous],
      /say which receives the image: .*on the command line, --image/,
    ],
    [
      'a value for the image',
      ['inspect', severalInputs, '--set', 'image=1'],
      /receives the image; give the others .*on the command line, --set/,
    ],
    [
      'a gradient in another format',
      ['loss', vgg, pred, target, '--grad', join(folder, 'g.jpg')],
      /--grad should end in \.npy or \.png, got/,
    ],
    [
      'a gradient over a folder',
      ['loss', vgg, pred, target, '--grad', join(folder, 'folder.npy')],
      /it is a folder; name a file/,
    ],
    ['a gradient nowhere', ['loss', vgg, pred, target, '--grad', join(pred, 'g.npy')], /pred\.npy' is not a folder/],
    ['a model as a picture', ['compile', vgg, '--input', '1,3,32,32', '--out', 'x.png'], /--out should end in \.onnx/],
    [
      'a negative force',
      ['curve', '--force', '-1', '--out', join(folder, 'no.png')],
      /curveForce should be a number from 0 on, got -1/,
    ],
    [
      'a curve of too many hooks',
      ['curve', '--hooks', '1e9', '--out', join(folder, 'no.png')],
      /from 1 to 10000, got '1e9'/,
    ],
    [
      'a configuration that is a folder',
      ['loss', vgg, pred, target, '--config', folder],
      /it is a folder; name a file/,
    ],
    ['an unknown command', ['los'], /unknown command 'los'/],
    ['an unknown option', ['loss', vgg, pred, target, '--graf', 'x'], /unknown option '--graf'/],
    ['a picture of no known kind', ['curve', '--out', join(folder, 'curve.gif')], /should end in \.png or \.svg/],
  ])('%s: one line, exit code 2', async (_label, args, message) => {
    const { status, stdout, stderr } = await runHere(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('leave no file behind', async () => {
    const out = join(folder, 'never.onnx');
    expect((await run('compile', vit, '--input', '1,3,32,32', '--out', out)).status).toBe(2);
    expect(existsSync(out)).toBe(false);
    const blocked = join(folder, 'no-such-folder', 'loss.onnx');
    const { status, stderr } = await run('compile', vgg, '--input', '1,3,32,32', '--out', blocked);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/cannot write/)]);
  });
});

describe('nothing that is read is written over', () => {
  const model = file('own.onnx', readFileSync(vgg));
  const config = file('own.json', '{}');
  const asModel = file('config.onnx', '{}');
  const set = file('set.npy', formatNpy({ dims: [3, 1, 1], data: Float32Array.of(1, 2, 3) }));
  const [linked, hard] = [join(folder, 'linked.onnx'), join(folder, 'hard.onnx')];
  symlinkSync(model, linked);
  linkSync(model, hard);
  const [input, several] = [
    ['--input', '1,3,32,32'],
    ['--image', 'image', '--set', 'factor=1', '--set', `offset=${set}`],
  ];

  /** A model whose weights lie where those of a compiled `weights.onnx` would. */
  function large(): string {
    const graph = createGraph();
    const x = graph.input('x', 'float32', [1, 3, 8, 8]);
    graph.output('y', x.mul(graph.constant(constantOf('float32', [3, 1, 1], [1, 2, 3]), 'w')).relu());
    const path = 'weights.onnx.data';
    const written = writeOnnx(graph, { opset: 20, externalFrom: 1, externalPath: path });
    file(path, Buffer.concat(written.external.map(({ constant }) => constant.bytes)));
    return file('large.onnx', written.model);
  }

  it.each<[string, string, string[]]>([
    ['the model', model, ['compile', model, ...input, '--out', model]],
    ['the model by a link', model, ['compile', model, ...input, '--out', linked]],
    ['the model by a hard link', model, ['compile', linked, ...input, '--out', hard]],
    ['the configuration', asModel, ['compile', model, ...input, '--config', asModel, '--out', asModel]],
    [
      'weights beside the model',
      join(folder, 'weights.onnx.data'),
      ['compile', large(), '--input', '1,3,8,8', '--out', join(folder, 'weights.onnx')],
    ],
    ['the prediction', pred, ['loss', model, pred, target, '--config', config, '--grad', pred]],
    [
      'the target by another path',
      target,
      ['loss', model, pred, target, '--grad', join(folder, 'folder.npy/../target.npy')],
    ],
    ['an array', set, ['loss', severalInputs, pred, target, ...several, '--grad', set]],
  ])('%s', async (_label, path, args) => {
    const before = readFileSync(path);
    const { status, stdout, stderr } = await runHere(args);
    expect(stderr).toMatch(/^globalperc: '.*',? was read and would be overwritten: name another file\n$/);
    expect([status, stdout]).toEqual([2, '']);
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});
