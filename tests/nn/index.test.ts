/** Layers and functions are found by the file they are in: nothing has to be listed, and nothing can be forgotten. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ModuleCall, selectHooks } from '../../src/modules/index.js';
import * as nn from '../../src/nn.js';

const room = new URL('../../src/nn/', import.meta.url);

/** What each file of a folder but its index exports, by name. */
async function exportsOf(folder: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const file of readdirSync(new URL(folder, room))) {
    if (file === 'index.ts') continue;
    const exported: Record<string, unknown> = await import(
      /* @vite-ignore */ new URL(`${folder}${file}`, room).pathname
    );
    for (const [name, value] of Object.entries(exported)) found.set(name, value);
  }
  return found;
}

const isLayer = (value: unknown): boolean => typeof value === 'function' && value.prototype instanceof nn.Module;

describe('index', () => {
  it('layers/ exports layers alone, by the names of their classes, and all of them are in nn', async () => {
    const layers = await exportsOf('layers/');
    expect(layers.size).toBeGreaterThan(90);
    for (const [name, value] of layers) {
      expect(isLayer(value), name).toBe(true);
      expect((value as { className: string }).className).toBe(name);
      expect((nn as Record<string, unknown>)[name], name).toBe(value);
    }
  });

  it('functional/ exports functions alone, and all of them are in nn.functional', async () => {
    const functions = await exportsOf('functional/');
    expect(functions.size).toBeGreaterThan(60);
    for (const [name, value] of functions) {
      expect(typeof value, name).toBe('function');
      expect(isLayer(value), name).toBe(false);
      expect((nn.functional as Record<string, { name: string }>)[name]?.name).toBe(name);
    }
    expect(Object.keys(nn.functional).length).toBe(functions.size);
  });

  it('has subclasses that hooks of their base class find, as isinstance does in PyTorch', () => {
    const bases = (layer: object): { className: string }[] => {
      const base = Object.getPrototypeOf(layer);
      const isPublic = base !== nn.Module && Object.values(nn).includes(base);
      return base === Function.prototype ? [] : [...(isPublic ? [base] : []), ...bases(base)];
    };
    const pairs = Object.values(nn).flatMap((value) =>
      isLayer(value) ? bases(value).map((base) => [value as unknown as { className: string }, base] as const) : [],
    );
    expect(pairs.map(([layer, base]) => `${layer.className} is a ${base.className}`)).toContain('ReLU6 is a Hardtanh');
    for (const [layer, base] of pairs) {
      const call = { path: 'a', class: layer.className, leaf: true } as ModuleCall;
      expect(selectHooks([call], [base]), `${layer.className} is a ${base.className}`).toEqual([call]);
    }
  });

  it('has no class that only names a module of a model: each is a module, a loss, a parameter or a buffer', () => {
    for (const [name, value] of Object.entries(nn)) {
      if (/^[A-Z]/.test(name)) expect(typeof value, name).toBe('function');
    }
  });

  it('keeps what only other rooms use to itself', () => {
    for (const name of ['Trace', 'constantOfHeld']) expect(nn).not.toHaveProperty(name);
  });
});
