/** The stored layer cases: see `fixtures/make_layers.py`. */
import { readdirSync } from 'node:fs';
import type { ConstantData, Tensor } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import { type Fixture, readFixture, stateOf } from './safetensors.js';

export interface LayerCase {
  name: string;
  layer: { class: string; args: unknown[]; options: Record<string, unknown> };
  mode: 'train' | 'eval';
  inputs: string[];
  /** Keyword arguments of the call; strings are tensors. */
  call?: Record<string, string | boolean>;
  state: Record<string, string>;
  outputs: string[];
  cotangents: string[];
  inputGradients: (string | null)[];
  gradients: Record<string, string>;
  stateAfterForward?: Record<string, string>;
  trained?: {
    target: string;
    lr: number;
    momentum: number;
    steps: number;
    losses: number[];
    state: Record<string, string>;
  };
}

export const layerFamilies = readdirSync(new URL('../../fixtures/data/layers', import.meta.url))
  .filter((file) => file.endsWith('.safetensors') && !file.startsWith('criteria'))
  .map((file) => ({ family: file.split('.')[0] as string, fixture: readFixture<LayerCase>(`layers/${file}`) }));

/** The layer of a case with its initial weights, in its mode. */
export function buildLayer(fixture: Fixture<LayerCase>, { layer, mode, state }: LayerCase): nn.AnyModule {
  const Layer = (nn as unknown as Record<string, new (...args: unknown[]) => nn.AnyModule>)[layer.class];
  if (Layer === undefined) throw new Error(`nn has no ${layer.class}`);
  return new Layer(...layer.args, ...(Object.keys(layer.options).length === 0 ? [] : [layer.options]))
    .loadStateDict(stateOf(fixture, state))
    .train(mode === 'train');
}

/** Runs a layer as its case says; attention takes masks. */
export function callLayer(
  layer: nn.AnyModule,
  inputs: readonly Tensor[],
  call: LayerCase['call'],
  constant: (key: string) => ConstantData,
): Tensor[] {
  if (!(layer instanceof nn.MultiheadAttention) || call === undefined) return [layer(...inputs)].flat();
  const [query, key, value] = inputs as [Tensor, Tensor, Tensor];
  const options = Object.fromEntries(
    Object.entries(call).map(([name, given]) => [
      name,
      typeof given === 'string' ? query.graph.constant(constant(given)) : given,
    ]),
  );
  return layer.attend(query, key, value, options).filter((output) => output !== undefined);
}
