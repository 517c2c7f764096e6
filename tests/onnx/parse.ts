/** Reading of small files that the tests build. */

import type { TensorProto } from 'onnx-buf';
import type { Graph } from '../../src/graph/index.js';
import { type ReadOptions, readOnnx } from '../../src/onnx/index.js';
import { createGraph } from '../../src/ops/index.js';
import { floatTensor, input, intTensor, type ModelSpec, modelBytes } from './build.js';

/** Reads bytes under the name `model.onnx`. */
export const parse = (bytes: Uint8Array, options: Partial<ReadOptions> = {}): Promise<Graph> =>
  readOnnx(createGraph(), bytes, { source: 'model.onnx', ...options });

/** Writes a model down and reads it. */
export const read = (spec: ModelSpec, options: Partial<ReadOptions> = {}): Promise<Graph> =>
  parse(modelBytes(spec), options);

/** The bytes of a text, one per character. */
export const ascii = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** MatMul, Relu and Reshape with two weights. */
export const small: ModelSpec = {
  inputs: [input('x', ['batch', 3])],
  initializers: [floatTensor('w', [3, 2], [1, 2, 3, 4, 5, 6]), intTensor('shape', [-1, 1])],
  nodes: [
    ['MatMul', ['x', 'w'], ['h']],
    ['Relu', ['h'], ['r']],
    ['Reshape', ['r', 'shape'], ['y'], { allowzero: 0 }],
  ],
};

/** A model whose only weight is the given tensor 'w'. */
export const withWeight = (weight: TensorProto): ModelSpec => ({
  nodes: [['Identity', ['w'], ['y']]],
  initializers: [weight],
});
