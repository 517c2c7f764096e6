/** Calls of modules that do not see the input. */
import { describe, expect, it } from 'vitest';
import { recoverModules } from '../../src/modules/index.js';
import { graphOf, type NodeSpec } from './build.js';

const list = (specs: readonly NodeSpec[]): string[] =>
  recoverModules(graphOf(specs)).map((call) => `${call.path}#${call.call} ${call.class}${call.leaf ? '' : ' +'}`);

const LINEAR = 'torch.nn.modules.linear.Linear';
const CONV = 'torch.nn.modules.conv.Conv2d';

describe('calls on constants', () => {
  it('are found by the names of nodes, containers too, in the order of the file', () => {
    expect(
      list([
        ['MatMul', '/pool/q/MatMul', ['latent', 'onnx::MatMul_3']],
        ['Add', '/pool/q/Add', ['pool.q.bias', '/pool/q/MatMul']],
        ['MatMul', '/pool/kv/MatMul', ['x', 'onnx::MatMul_4']],
        ['Add', '/pool/kv/Add', ['pool.kv.bias', '/pool/kv/MatMul']],
        ['MatMul', '/pool/mlp/mlp.0/MatMul', ['coordinates', 'onnx::MatMul_5']],
        ['Relu', '/pool/mlp/mlp.1/Relu', ['/pool/mlp/mlp.0/MatMul']],
        ['Mul', '/pool/Mul', ['/pool/q/Add', '/pool/kv/Add']],
        ['Add', '/pool/Add', ['/pool/Mul', '/pool/mlp/mlp.1/Relu']],
      ]),
    ).toEqual([
      'pool.q#0 Linear',
      'pool.kv#0 Linear',
      'pool.mlp.0#0 Linear',
      'pool.mlp.1#0 ReLU',
      'pool.mlp#0 Sequential +',
      'pool#0 Module +',
    ]);
  });

  it('are found by metadata, also where the exporter computed a part of them', () => {
    expect(
      list([
        ['Add', 'a', ['product', 'mlp.0.bias'], ['mlp:torch.nn.modules.container.Sequential', `mlp.0:${LINEAR}`]],
        ['Mul', 'b', ['x', 'a']],
      ]),
    ).toEqual(['mlp.0#0 Linear', 'mlp#0 Sequential +']);
  });

  it('are told from calls of the same module on data', () => {
    expect(
      list([
        ['Sin', '/embedding/Sin', ['grid']],
        ['Sin', '/embedding_1/Sin', ['x']],
        ['Add', '/Add', ['/embedding/Sin', '/embedding_1/Sin']],
      ]),
    ).toEqual(['embedding#0 Module', 'embedding#1 Module']);
  });

  it('are not those of a module that sees the input as well', () => {
    expect(
      list([
        ['Sin', 'a', ['grid'], ['positions:my.Positions']],
        ['Mul', 'b', ['x', 'a'], ['positions:my.Positions']],
      ]),
    ).toEqual(['positions#0 Positions']);
  });

  it('compute floats: a choice between floats is one, a count or a truth is none', () => {
    expect(
      list([
        ['Shape', '/size/Shape', ['grid']],
        ['Greater', '/mask/Greater', ['grid', 'limit']],
        ['Where', '/fill/Where', ['/mask/Greater', 'grid', 'limit']],
        ['Mul', '/scale/Mul', ['x', '/fill/Where']],
        ['Reshape', 'z', ['/scale/Mul', '/size/Shape']],
      ]),
    ).toEqual(['fill#0 Module', 'scale#0 Module']);
  });

  it('are neither shape arithmetic nor the preparation of a weight', () => {
    expect(
      list([
        ['Shape', '/size/Shape', ['x']],
        ['Gather', '/size/Gather', ['/size/Shape', 'index']],
        ['Mul', 'w', ['g', 'v'], [`conv:${CONV}`, 'conv.parametrizations.weight.0:torch.nn.utils._WeightNorm']],
        ['Conv', 'y', ['x', 'w'], [`conv:${CONV}`]],
        ['Reshape', 'z', ['y', '/size/Gather']],
      ]),
    ).toEqual(['conv#0 Conv2d']);
  });

  it('make a module that calls such a child no leaf', () => {
    expect(
      list([
        ['Sin', 'a', ['grid'], ['att:my.Attention', 'att.positions:my.Positions']],
        ['Mul', 'b', ['x', 'a'], ['att:my.Attention']],
      ]),
    ).toEqual(['att.positions#0 Positions', 'att#0 Attention +']);
  });
});
