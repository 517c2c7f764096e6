/** Programs on disk: found by whoever would compile the same, by nobody else, and never believed when they are damaged. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { described, describedStructure } from '../../src/compile/described.js';
import { Runner } from '../../src/compile/index.js';
import { StoredProgram } from '../../src/compile/program-store.js';
import { stateOf } from '../../src/files/contents.js';
import { contents } from '../../src/files/index.js';
import { constantInFile, constantOf, float, type Graph, int, type Tensor, widened } from '../../src/graph/index.js';
import { GlobalPercConfig, GlobalPercLoss, L1Loss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { Conv2d, ReLU, Sequential } from '../../src/nn/index.js';
import { createGraph } from '../../src/ops/index.js';
import { AdamW } from '../../src/optim/index.js';
import { openSizes } from '../../src/passes/index.js';
import { runSteps } from '../../src/runtime/index.js';
import { Trainer } from '../../src/train/index.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'programs-'));
  vi.stubEnv('GLOBALPERC_CACHE', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const programs = (): string[] => readdirSync(join(folder, 'programs'));
const SIDE = 32;
const values = (first: number) => Array.from({ length: SIDE * SIDE }, (_, i) => first + (i % 7) / 8);
const matrix = (first = 1) => constantOf('float32', [SIDE, SIDE], values(first));
const feeds = { x: { dtype: 'float32', dims: [1, SIDE], data: new Float32Array(SIDE).fill(0.5) } } as const;

/** y = x·w + x·(w + wᵀ): one weight is the draft's, the other is made by folding. */
function draft(weight = matrix(), name = 'y'): Graph {
  const graph = createGraph();
  const x = graph.input('x', 'float32', [1, SIDE]);
  const w = graph.constant(weight, 'w');
  graph.output(name, x.matmul(w).add(x.matmul(w.add(w.transpose([1, 0])))));
  return graph;
}

/** What a runner of its own makes of a draft, and the steps that it takes. */
async function run(graph: Graph = draft()) {
  const runner = new Runner<undefined>('test', {});
  const steps: string[] = [];
  const options = { onProgress: ({ step }: { step: string }) => void steps.push(step) };
  const program = await runSteps(runner.program('a', () => ({ graph, details: undefined }), options));
  const outputs = await runSteps(program.session.run(feeds));
  await runner.dispose();
  return { data: Object.values(outputs)[0]?.data, bytes: program.bytes, steps };
}

describe('a program', () => {
  it('is finished once, and found by others', async () => {
    const first = await run();
    expect(first.steps).toEqual(['fold', 'open']);
    expect(programs()).toHaveLength(1);
    expect(await run()).toEqual({ ...first, steps: ['open'] });
    const second = Array.from({ length: SIDE }, (_, i) =>
      values(1).reduce(
        (sum, w, at) => sum + 0.5 * ((at % SIDE === i ? 2 * w : 0) + (Math.floor(at / SIDE) === i ? w : 0)),
        0,
      ),
    );
    expect(Array.from(first.data as Float32Array)).toEqual(second.map((value) => expect.closeTo(value, 3)));
  });

  it('holds no weight of the draft', async () => {
    await run();
    const entry = readFileSync(join(folder, 'programs', programs()[0] as string));
    expect(entry.includes(Buffer.from(matrix().bytes))).toBe(false);
    expect(entry.length).toBeLessThan(2 * matrix().bytes.length);
  });

  it('holds none beside weights that stay in their file either', async () => {
    const [filed, held] = [matrix(2), matrix()];
    writeFileSync(join(folder, 'weights'), filed.bytes);
    const read = (offset: number, length: number) => filed.bytes.subarray(offset, offset + length);
    const graph = () => {
      const own = createGraph();
      const x = own.input('x', 'float32', [1, SIDE]);
      const place = { folder, location: 'weights', offset: 0, state: stateOf(join(folder, 'weights')) ?? '' };
      const w = own.constant(constantInFile({ dtype: 'float32', shape: [SIDE, SIDE] }, place, read), 'w');
      own.output('y', x.matmul(w).matmul(own.constant(held, 'v')));
      return own;
    };
    const first = await run(graph());
    expect(readFileSync(join(folder, 'programs', programs()[0] as string)).length).toBeLessThan(held.bytes.length);
    expect(await run(graph())).toEqual({ ...first, steps: ['open'] });
    const times = (row: readonly number[], first: number) =>
      row.map((_, i) => row.reduce((sum, each, k) => sum + each * (values(first)[k * SIDE + i] as number), 0));
    const expected = times(times(new Array(SIDE).fill(0.5), 2), 1);
    for (const [i, value] of expected.entries())
      expect((first.data as Float32Array)[i] as number).toBeCloseTo(value, 1);
  });

  it('is another for other weights, and for another name', async () => {
    const [one] = [await run()];
    const other = await run(draft(matrix(2)));
    expect(other.steps).toEqual(['fold', 'open']);
    expect(other.data).not.toEqual(one.data);
    expect((await run(draft(matrix(), 'z'))).steps).toEqual(['fold', 'open']);
  });

  it.each<[what: string, damage: (bytes: Buffer) => Uint8Array]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['empty', () => new Uint8Array(0)],
    ['changed in one bit', (bytes) => bytes.map((byte, i) => byte ^ Number(i === bytes.length - 1))],
  ])('that is %s is made anew, and rewritten', async (_what, damage) => {
    const whole = await run();
    const path = join(folder, 'programs', programs()[0] as string);
    writeFileSync(path, damage(readFileSync(path)));
    expect(await run()).toEqual(whole);
    expect((await run()).steps).toEqual(['open']);
  });

  it('is kept nowhere where the variable says so, and for no provider that is compared with the CPU', async () => {
    expect(StoredProgram.of(draft(), {})).toBeDefined();
    expect(StoredProgram.of(draft(), { executionProviders: ['webgpu'] })).toBeUndefined();
    vi.stubEnv('GLOBALPERC_CACHE', 'off');
    await run();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is compiled where nothing can be kept', async () => {
    writeFileSync(join(folder, 'file'), '');
    vi.stubEnv('GLOBALPERC_CACHE', join(folder, 'file'));
    expect((await run()).steps).toEqual(['fold', 'open']);
  });
});

describe('what is described', () => {
  const text = (graph: Graph) => described(graph, contents)?.text;
  const unary = (emit: (x: Tensor, graph: Graph) => Tensor, shape = [2, 3], name = 'x'): Graph => {
    const graph = createGraph();
    graph.output('y', emit(graph.input(name, 'float32', shape), graph));
    return graph;
  };
  const leaky = (alpha: number) =>
    unary((x, graph) => graph.emit('LeakyRelu', [x], { alpha: float(alpha) })[0] as Tensor);

  it.each<[what: string, a: Graph, b: Graph]>([
    ['operators', unary((x) => x.exp()), unary((x) => x.neg())],
    ['shapes', unary((x) => x.neg()), unary((x) => x.neg(), [3, 2])],
    ['names of inputs', unary((x) => x.neg()), unary((x) => x.neg(), [2, 3], 'z')],
    ['numbers', leaky(0.1), leaky(0.2)],
    ['signs of zero', leaky(0), leaky(-0)],
    ['infinities', leaky(Number.POSITIVE_INFINITY), leaky(Number.NaN)],
    ['small constants', unary((x) => x.mul(2)), unary((x) => x.mul(3))],
    ['large constants', draft(matrix(1)), draft(matrix(2))],
    ['what is read', unary((x) => x.exp().sub(x.neg())), unary((x) => x.exp().sub(x))],
    ['the order of operands', unary((x) => x.exp().sub(x)), unary((x) => x.sub(x.exp()))],
  ])('tells %s apart', (_what, a, b) => {
    expect(text(a)).not.toBe(text(b));
  });

  it('is the same for the same graph', () => {
    expect(text(draft())).toBe(text(draft()));
  });

  it('names weights that stay in a file by its state, without reading them', () => {
    const read = vi.fn(() => new Uint8Array(24));
    const inFile = (state: string) => {
      const place = { folder, location: 'weights', offset: 0, state };
      const constant = constantInFile({ dtype: 'float32', shape: [2, 3] }, place, read);
      return text(unary((x, own) => x.mul(own.constant(constant, 'w'))));
    };
    expect(inFile('one')).toBe(inFile('one'));
    expect(inFile('one')).not.toBe(inFile('another'));
    expect(read).not.toHaveBeenCalled();
  });

  it('names weights of half precision in a file by what they are made of', () => {
    const read = vi.fn(() => new Uint8Array(12));
    const made = (dtype: 'float16' | 'bfloat16') => {
      const place = { folder, location: 'weights', offset: 0, state: 'one' };
      const constant = widened(constantInFile({ dtype, shape: [2, 3] }, place, read));
      return text(unary((x, own) => x.mul(own.constant(constant, 'w'))));
    };
    expect(made('float16')).toBeDefined();
    expect(made('float16')).toBe(made('float16'));
    expect(made('float16')).not.toBe(made('bfloat16'));
    expect(read).not.toHaveBeenCalled();
  });

  it('is another where a small constant has changed in place', () => {
    const weight = matrix();
    const before = text(draft(weight));
    weight.bytes.fill(1, 0, 4);
    expect(text(draft(weight))).not.toBe(before);
  });

  it('of graphs that differ in what every run is given is the same, and of no others', () => {
    const structure = (rows: number, factor = 2, weight = matrix()) => {
      const graph = createGraph();
      const x = graph.input('x', 'float32', [rows, SIDE]);
      graph.output('y', x.matmul(graph.constant(weight)).mul(factor).reshape([SIDE, rows]));
      return describedStructure(graph, openSizes(graph, [], new Set()) ?? [], contents);
    };
    expect(structure(3)).toBeDefined();
    expect(structure(4)).toBe(structure(3));
    expect(structure(3, 3)).not.toBe(structure(3));
    expect(structure(3, 2, matrix(2))).not.toBe(structure(3));
  });

  it('is nothing of a graph with bodies', () => {
    const graph = unary((x) => x.neg());
    const body = { kind: 'graph', value: { inputs: [], outputs: [], nodes: [] } } as const;
    Object.assign(graph.nodes[0]?.attributes ?? {}, { body, axis: int(1) });
    expect(text(graph)).toBeUndefined();
  });
});

describe('from another process', () => {
  const path = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
  const image = (seed: number) => ({
    dims: [1, 3, 16, 16],
    data: Float32Array.from({ length: 768 }, (_, i) => Math.sin(i * seed)),
  });
  const steps: string[] = [];
  const options = { onProgress: ({ step }: { step: string }) => void steps.push(step) };
  beforeEach(() => void steps.splice(0));

  const gradient = async (power: number) => {
    const lossFunc = { forward: (a: Tensor, b: Tensor) => a.sub(b).abs().pow(power).mean() };
    await using loss = new GlobalPercLoss(
      await loadModel(path),
      new GlobalPercConfig({ printData: false, modulesToHook: [ReLU], lossFunc }),
    );
    const { value, grad } = await loss.valueAndGrad(image(1), image(2), options);
    return { value, grad: grad.data };
  };

  it('a loss is the same, and functions of the caller’s are told apart by what they write', async () => {
    const first = await gradient(2);
    const folds = () => steps.splice(0).filter((step) => step === 'fold').length;
    expect(folds()).toBe(1);
    expect(await gradient(2)).toEqual(first);
    expect(folds()).toBe(0);
    expect(await gradient(3)).not.toEqual(first);
    expect(folds()).toBe(1);
  });

  it('a training step is the same', async () => {
    const trained = async () => {
      const student = new Sequential(new Conv2d(3, 3, 3, { padding: 1 }));
      for (const parameter of student.parameters()) parameter.data.fill(0.1);
      await using trainer = await Trainer.create(student, new L1Loss(), new AdamW(), {
        batch: [1, 3, 16, 16],
        ...options,
      });
      await trainer.step(image(1), image(2));
      return (await trainer.step(image(3), image(2))).loss;
    };
    const first = await trained();
    expect(steps.splice(0)).toContain('fold');
    expect(await trained()).toBe(first);
    expect(steps).not.toContain('fold');
  });
});
