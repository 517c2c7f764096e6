/** The command as a user calls it: results, exit codes, one line per mistake, no partial files. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatNpy, parseNpy } from '../../src/data/index.js';
import { constantOf } from '../../src/graph/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { input, modelBytes } from '../onnx/build.js';

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const models = fileURLToPath(new URL('../../fixtures/data/models/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'globalperc-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const run = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });

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

describe('results', () => {
  it('loss takes further inputs as numbers and arrays', () => {
    const offset = file('offset.npy', formatNpy({ dims: [3, 1, 1], data: Float32Array.of(1, 2, 3) }));
    const lossAt = (factor: number): number => {
      const { stdout, status } = run(
        ...['loss', severalInputs, pred, target, '--image', 'image', '--json'],
        ...['--set', `factor=${factor}`, '--set', `offset=${offset}`],
      );
      expect(status).toBe(0);
      return JSON.parse(stdout).loss;
    };
    expect(lossAt(0)).toBeCloseTo(0, 6);
    expect(lossAt(3)).toBeGreaterThan(1e-3);
  });

  it('loss --json prints one object, --grad writes the gradient', () => {
    const out = join(folder, 'grad.npy');
    const { stdout, status } = run('loss', vgg, pred, target, '--json', '--grad', out);
    expect(status).toBe(0);
    const { loss, hooks } = JSON.parse(stdout);
    expect(
      hooks.reduce((sum: number, hook: { weight: number; loss: number }) => sum + hook.weight * hook.loss, 0),
    ).toBeCloseTo(loss, 4);
    expect(Object.keys(hooks[0])).toEqual(['index', 'path', 'class', 'shape', 'weight', 'loss']);
    expect(parseNpy(readFileSync(out), out).dims).toEqual([1, 3, 32, 32]);
  });

  it('inspect shows the tree, hooks, shapes and weights', () => {
    const { stdout, status } = run(
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

  it('compile and curve write their files', () => {
    const [onnx, svg, png] = ['loss.onnx', 'curve.svg', 'curve.png'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    expect(run('compile', vgg, '--input', '1,3,32,32', '--out', onnx).status).toBe(0);
    expect(run('curve', '--force', '3', '--out', svg).status).toBe(0);
    expect(run('curve', '--hooks', '5', '--out', png).status).toBe(0);
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
      /unknown key 'startweight'/,
    ],
    [
      'a configuration that is not JSON',
      ['loss', vgg, pred, target, '--config', config('bad.json', '{')],
      /is not JSON/,
    ],
    ['a bad shape', ['inspect', vgg, '--input', '1,3,x'], /--input should be positive dimensions/],
    ['a missing option', ['compile', vgg, '--out', join(folder, 'no.onnx')], /--input/],
    ['a picture of no known kind', ['curve', '--out', join(folder, 'curve.gif')], /should end in \.png or \.svg/],
  ])('%s: one line, exit code 2', (_label, args, message) => {
    const { status, stdout, stderr } = run(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('leaves no file behind', () => {
    const out = join(folder, 'never.onnx');
    expect(run('compile', vit, '--input', '1,3,32,32', '--out', out).status).toBe(2);
    expect(existsSync(out)).toBe(false);
    const blocked = join(folder, 'no-such-folder', 'loss.onnx');
    const { status, stderr } = run('compile', vgg, '--input', '1,3,32,32', '--out', blocked);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/cannot write/)]);
  });
});
