/** Files that cannot be used, and damaged ones. */
import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema, TensorProto_DataType as T } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { GlobalPercError, GraphBuilder } from '../../src/graph/index.js';
import { floatTensor, input, type ModelSpec, modelBytes, type NodeSpec, tensor } from './build.js';
import { ascii, parse, read, small, withWeight } from './parse.js';

describe('what is refused', () => {
  const refused = (spec: ModelSpec) => expect(read(spec)).rejects;
  const node = (op: string, attributes: NodeSpec[3] = {}): ModelSpec => ({
    inputs: [input('x', [1])],
    nodes: [[op, ['x'], ['y'], attributes]],
  });

  it.each([
    'QuantizeLinear',
    'DequantizeLinear',
    'DynamicQuantizeLinear',
    'MatMulNBits',
    'ConvInteger',
    'MatMulInteger',
    'QLinearConv',
    'QGemm',
    'DynamicQuantizeMatMul',
    'GatherBlockQuantized',
  ])('quantised models: %s', (op) =>
    refused(node(op)).toThrow(/the model is quantised; gradients need the float32 file, usually `model\.onnx`/),
  );

  it('quantised weights', () =>
    refused(withWeight(tensor('w', T.INT4, [2], { int32Data: [1] }))).toThrow(/INT4, quantised/));

  it('sequences and sparse weights', async () => {
    await refused(node('SequenceConstruct')).toThrow(/sequences and optionals are not supported/);
    const graph = {
      input: [],
      output: [{ name: 'y' }],
      node: [{ opType: 'Identity', input: ['w'], output: ['y'] }],
      sparseInitializer: [{ values: floatTensor('w', [1], [1]) }],
    };
    await refused({ nodes: [], more: { graph } }).toThrow(/initializer 'w' is sparse/);
    const sequence = { name: 'x', type: { value: { case: 'sequenceType', value: {} } } } as const;
    await refused({ nodes: [], more: { graph: { input: [sequence], output: [] } } }).toThrow(
      /input 'x' is a sequence, expected a tensor/,
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /model\.onnx: not an ONNX file \(it is empty\)/],
    ['a PNG', ascii('\x89PNG\r\n\x1a\n0000'), /not an ONNX file \(it is a PNG image\)/],
    ['text', ascii('hello world, this is not a model\n'), /not an ONNX file \(its 33 bytes/],
    ['a web page', ascii('\n<!DOCTYPE html><html>'), /not an ONNX file \(it is a web page/],
    ['a directory listing', ascii('total 8\ndrwxr-xr-x 2 root root 4096 .\n'), /not an ONNX file/],
    ['a Git LFS pointer', ascii('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
    ['a checkpoint', ascii('PK\x03\x04....'), /torch\.onnx\.export/],
    ['a legacy checkpoint', ascii('\x80\x04....'), /it is a Python pickle/],
    [
      'weights alone',
      ascii('\x08\x01\0\0\0\0\0\0{"__metadata__'),
      /it is a safetensors file, which holds weights alone/,
    ],
    ['zeros', new Uint8Array(64), /not an ONNX file/],
  ])('%s', (_, bytes, message) => expect(parse(bytes)).rejects.toThrow(message));

  it('a truncated file, wherever it ends', async () => {
    const bytes = modelBytes(small);
    for (let length = 2; length < bytes.length; length += 1) {
      await expect(parse(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(
        /truncated or damaged ONNX file/,
      );
    }
  });
});

describe('damaged files', () => {
  const bytes = modelBytes({
    ...small,
    opset: 11,
    nodes: [
      ...small.nodes.slice(0, 2),
      ['Softmax', ['r'], ['s'], { axis: 0 }],
      ['Clip', ['s'], ['y'], { min: { float: 0 } }],
    ].map((node) => node as NodeSpec),
  });

  it('give a graph or a GlobalPercError, never anything else', async () => {
    const edit = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(bytes.length), async (edits, cut) => {
        const damaged = bytes.slice(0, cut % 2 === 0 ? bytes.length : cut);
        for (const { at, value } of edits) damaged[at] = value;
        const result = await parse(damaged).catch((error: unknown) => error);
        expect(
          result instanceof GraphBuilder || result instanceof GlobalPercError,
          String((result as Error).stack),
        ).toBe(true);
      }),
      { numRuns: 3000, seed: 14 },
    );
  });

  it('were whole before', async () => {
    expect(fromBinary(ModelProtoSchema, bytes).graph?.node).toHaveLength(4);
    expect((await parse(bytes)).nodes.length).toBeGreaterThan(3);
  });
});
