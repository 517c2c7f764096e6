/** The modules recovered from every fixture model are those that PyTorch's forward hooks saw. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ModuleCall, recoverModules, selectHooks } from '../../src/modules/index.js';
import { readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { readFixture } from '../support/safetensors.js';

interface Case {
  readonly name: string;
  readonly config: { readonly modulesToHook: string[] };
  readonly hooks: readonly { readonly path: string; readonly class: string; readonly shape: readonly number[] }[];
}

const MODELS = ['vgg', 'resnet', 'mobilenet', 'unet', 'vit', 'convnext'];
const STYLES = ['torchscript', 'dynamo'];

async function callsOf(file: string): Promise<ModuleCall[]> {
  const bytes = readFileSync(new URL(`../../fixtures/data/models/${file}`, import.meta.url));
  return recoverModules(await readOnnx(createGraph(), new Uint8Array(bytes), { source: file }));
}

const listed = (calls: readonly { path: string; class: string }[]): string[] =>
  calls.map((call) => `${call.path}: ${call.class}`);

describe.each(MODELS)('%s', (model) => {
  const { cases } = readFixture<Case>(`models/${model}.safetensors`);

  it.each(STYLES)('%s: hooks have the class, path and order of the stored ones', async (style) => {
    const calls = await callsOf(`${model}.${style}.onnx`);
    for (const { config, hooks } of cases) {
      expect(listed(selectHooks(calls, config.modulesToHook))).toEqual(listed(hooks));
    }
  });

  it('has the same leaf modules in both styles', async () => {
    const [torchscript, dynamo] = await Promise.all(STYLES.map((style) => callsOf(`${model}.${style}.onnx`)));
    const leaves = (calls: readonly ModuleCall[] = []): string[] =>
      calls.filter(({ leaf }) => leaf).map(({ path, call }) => `${path}#${call}`);
    expect(leaves(torchscript)).toEqual(leaves(dynamo));
  });

  it.each(STYLES)('%s: every node is given a module path', async (style) => {
    const bytes = readFileSync(new URL(`../../fixtures/data/models/${model}.${style}.onnx`, import.meta.url));
    const graph = await readOnnx(createGraph(), new Uint8Array(bytes), { source: model });
    recoverModules(graph);
    expect(graph.nodes.every(({ modulePath }) => modulePath !== undefined)).toBe(true);
  });
});
