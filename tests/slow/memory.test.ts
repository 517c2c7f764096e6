/** A model of 3 GB loads and compiles in little more memory than its weights take. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TensorProto_DataLocation as Location, TensorProto_DataType as T, type TensorProto } from 'onnx-buf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Generator } from '../../src/random/index.js';
import { input, modelBytes, type NodeSpec, tensor } from '../onnx/build.js';

const SIDE = 4096;
const LAYERS = 46;
const LAYER_BYTES = SIDE * SIDE * 4;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-memory-'));
  const generator = new Generator(5);
  const weights = Float32Array.from({ length: SIDE * SIDE }, () => generator.normal() / Math.sqrt(SIDE));
  const file = await open(join(folder, 'weights'), 'w');
  for (let layer = 0; layer < LAYERS; layer += 1) await file.write(weights);
  await file.close();
  await writeFile(join(folder, 'model.onnx'), model());
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

function model(): Uint8Array {
  const layers = Array.from({ length: LAYERS }, (_, i) => i);
  const nodes = layers.flatMap((i): NodeSpec[] => [
    ['MatMul', [i === 0 ? 'x' : `a${i - 1}`, `w${i}`], [`y${i}`]],
    ['Relu', [`y${i}`], [`a${i}`]],
  ]);
  const initializers = layers.map((i) => {
    const place = { location: 'weights', offset: String(i * LAYER_BYTES), length: String(LAYER_BYTES) };
    const externalData = Object.entries(place).map(([key, value]) => ({ key, value }));
    const fields = { dataLocation: Location.EXTERNAL, externalData } as Partial<TensorProto>;
    return tensor(`w${i}`, T.FLOAT, [SIDE, SIDE], fields);
  });
  return modelBytes({ nodes, initializers, inputs: [input('x', ['b', 4, SIDE])], outputs: [`a${LAYERS - 1}`] });
}

it.runIf(process.platform === 'linux')(
  'holds its weights once',
  async () => {
    const script = fileURLToPath(new URL('./large-model.mjs', import.meta.url));
    const out = join(folder, 'loss.onnx');
    const { stdout } = await promisify(execFile)(process.execPath, [script, join(folder, 'model.onnx'), out]);
    const { peak, written, value, compiled, difference } = JSON.parse(stdout);
    const weights = LAYERS * LAYER_BYTES;
    expect(weights).toBeGreaterThan(3e9);
    expect(peak / weights).toBeLessThan(1.3);
    expect(written).toBeGreaterThan(weights);
    expect((await stat(`${out}.data`)).size).toBeGreaterThanOrEqual(weights);
    expect(value).toBeGreaterThan(1);
    expect(compiled).toBeCloseTo(value, 4);
    expect(difference).toBeLessThan(1e-6);
  },
  300_000,
);
