/** What a file becomes: nodes, values, attributes, inlined functions. */
import { AttributeProto_AttributeType as AttributeType } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/index.js';
import { writeOnnx } from '../../src/onnx/index.js';
import { floatTensor, input, intTensor, type NodeSpec } from './build.js';
import { ascii, parse, read, small } from './parse.js';

describe('a graph', () => {
  it('has the nodes, inputs, outputs and weights of the file', async () => {
    const graph = await read(small);
    expect(graph.nodes.map(({ op, name }) => [op, name])).toEqual([
      ['MatMul', 'MatMul_0'],
      ['Relu', 'Relu_0'],
      ['Reshape', 'Reshape_0'],
    ]);
    expect(graph.inputs).toMatchObject([{ name: 'x', dtype: 'float32', declaredShape: ['batch', 3] }]);
    expect(graph.inputs[0]?.shape).toBeUndefined();
    expect(graph.outputs.map(({ name, producer }) => [name, producer?.op])).toEqual([['y', 'Reshape']]);
    expect(graph.nodes[1]?.inputs[0]).toBe(graph.nodes[0]?.outputs[0]);
    const weight = graph.nodes[0]?.inputs[1];
    expect(weight).toMatchObject({ name: 'w', dtype: 'float32', shape: [3, 2] });
  });

  it('keeps symbolic dimensions and marks nameless ones', async () => {
    const graph = await read({ ...small, inputs: [input('x', ['', 0, -1, 'height', 7])] });
    expect(graph.inputs[0]?.declaredShape).toEqual(['?', '?', '?', 'height', 7]);
  });

  it('marks a dimension of the empty name', async () => {
    const dim = [{ value: { case: 'dimParam', value: '' } }, { value: { case: 'dimParam', value: 'n' } }] as const;
    const type = { value: { case: 'tensorType', value: { elemType: 1, shape: { dim } } } } as const;
    const node = [{ opType: 'Relu', input: ['x'], output: ['y'] }];
    const graph = await read({
      nodes: [],
      more: { graph: { input: [{ name: 'x', type }], output: [{ name: 'y' }], node } },
    });
    expect(graph.inputs[0]?.declaredShape).toEqual(['?', 'n']);
  });

  it('takes initializers that are listed as inputs for constants', async () => {
    const graph = await read({ ...small, inputs: [input('x', [2, 3]), input('w', [3, 2])] });
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(graph.nodes[0]?.inputs[1]?.constant).toBeDefined();
  });

  it('keeps metadata and the place of left-out inputs', async () => {
    const graph = await read({
      nodes: [],
      more: {
        graph: {
          input: [input('x', [2])],
          output: [{ name: 'y' }],
          initializer: [floatTensor('high', [], [1])],
          node: [
            {
              opType: 'Clip',
              input: ['x', '', 'high', ''],
              output: ['y'],
              metadataProps: [{ key: 'pkg.torch.onnx.name_scopes', value: "['']" }],
            },
          ],
        },
      },
    });
    expect(graph.nodes[0]?.metadata).toEqual({ 'pkg.torch.onnx.name_scopes': "['']" });
    expect(graph.nodes[0]?.inputs.map((value) => value?.name)).toEqual(['x', undefined, 'high']);
    expect(graph.nodes[0]?.name).toBe('y');
  });

  it('sorts nodes that come in a wrong order', async () => {
    const graph = await read({ ...small, nodes: small.nodes.toReversed() });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Relu', 'Reshape']);
  });

  it('leaves the type of an input to the input, also where it is an output', async () => {
    const outputs = ['y', input('x', ['a', 'b'])];
    const graph = await read({ ...small, inputs: [input('x', [2, 3])], outputs });
    expect(graph.inputs[0]?.declaredShape).toEqual([2, 3]);
    expect(graph.outputs[1]).toBe(graph.inputs[0]);
  });

  it('takes a Constant of another domain for no constant', async () => {
    const nodes: NodeSpec[] = [['custom:Constant', [], ['y'], { value: floatTensor('c', [1], [1]) }]];
    await expect(read({ nodes })).rejects.toThrow(/custom\.Constant 'Constant_0': this operator is not known/);
  });

  it('gives names of their own to nodes of branches too, and branches the weights that they alone return', async () => {
    const branch = (nodes: NodeSpec[], output: string) => ({ graph: { nodes, outputs: [output] } });
    const graph = await read({
      inputs: [input('x', [1])],
      initializers: [floatTensor('w', [1], [3])],
      nodes: [
        ['Relu', ['x'], ['a']],
        ['If', ['x'], ['y'], { then_branch: branch([['Relu', ['a'], ['t']]], 't'), else_branch: branch([], 'w') }],
      ],
    });
    const [thenBranch, elseBranch] = ['then_branch', 'else_branch'].map(
      (name) => graph.nodes[1]?.attributes[name]?.value as Graph,
    );
    expect(graph.nodes[0]?.name).toBe('Relu_0');
    expect(thenBranch?.nodes.map(({ name }) => name)).toEqual(['Relu_0.1']);
    expect(elseBranch?.outputs[0]?.constant?.shape).toEqual([1]);
  });

  it('gives values of branches names of their own, and brings their nodes to the operator set of all', async () => {
    const squeezed = (output: string) => ({
      graph: { nodes: [['Squeeze', ['x'], [output], { axes: [0] }]] as NodeSpec[], outputs: [output] },
    });
    const graph = await read({
      opset: 11,
      inputs: [input('x', [1])],
      nodes: [['If', ['x'], ['y'], { then_branch: squeezed('t'), else_branch: squeezed('t') }]],
    });
    const bodies = Object.values(graph.nodes[0]?.attributes ?? {}).map(({ value }) => value as Graph);
    expect(bodies.map(({ outputs }) => outputs[0]?.name)).toEqual(['If_0/then_branch/t', 'If_0/else_branch/t']);
    for (const { nodes } of bodies) {
      expect(nodes[0]?.attributes).toEqual({});
      expect(nodes[0]?.inputs[1]?.constant?.shape).toEqual([1]);
    }
  });

  it('has what a loop body reads from around it behind the inputs of the loop, also those left out', async () => {
    const graph = await read({
      inputs: [input('x', [1])],
      initializers: [intTensor('n', [3])],
      nodes: [
        [
          'Loop',
          ['n', ''],
          ['y'],
          {
            body: {
              graph: {
                inputs: [input('i', []), input('go', [])],
                nodes: [
                  ['Identity', ['go'], ['on']],
                  ['Mul', ['x', 'x'], ['part']],
                ],
                outputs: ['on', 'part'],
              },
            },
          },
        ],
      ],
    });
    expect(graph.nodes[0]?.inputs.map((value) => value?.name)).toEqual(['n', undefined, 'x']);
  });

  it('survives writing and reading', async () => {
    const { model } = writeOnnx(await read(small), { opset: 20 });
    const graph = await parse(model);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Relu', 'Reshape']);
    expect(graph.nodes[2]?.attributes).toEqual({ allowzero: { kind: 'int', value: 0 } });
  });

  it('gives every node a name of its own', async () => {
    const node = [
      ['x', 'a'],
      ['a', 'b'],
      ['b', 'y'],
    ].map(([from, to]) => ({ opType: 'Relu', name: 'Relu_0', input: [from], output: [to] }));
    const graph = await read({
      nodes: [],
      more: { graph: { input: [input('x', [2])], output: [{ name: 'y' }], node } },
    });
    expect(graph.nodes.map(({ name }) => name)).toEqual(['Relu_0', 'Relu_0.1', 'Relu_0.2']);
  });

  it('is refused when a value is missing, defined twice or computed from itself', async () => {
    const broken = (...nodes: NodeSpec[]) => read({ inputs: [input('x', [2])], nodes });
    await expect(broken(['Add', ['x', 'z'], ['y']])).rejects.toThrow(
      /model\.onnx: Add 'Add_0' reads 'z', which nothing computes/,
    );
    await expect(broken(['Relu', ['x'], ['y']], ['Abs', ['x'], ['y']])).rejects.toThrow(/'y' is defined twice/);
    await expect(
      broken(['Add', ['x', 'b'], ['a']], ['Add', ['a', 'x'], ['b']], ['Relu', ['a'], ['y']]),
    ).rejects.toThrow(/part of a cycle/);
    await expect(broken(['Relu', ['x'], ['z']])).rejects.toThrow(/nothing computes the output 'y'/);
  });
});

describe('attributes', () => {
  it('come in every kind, subgraphs among them', async () => {
    const attribute = [
      { name: 'i', type: AttributeType.INT, i: 9223372036854775807n },
      { name: 'f', type: AttributeType.FLOAT, f: 0.5 },
      { name: 's', type: AttributeType.STRING, s: ascii('text') },
      { name: 'is', type: AttributeType.INTS, ints: [1n, -2n] },
      { name: 'fs', type: AttributeType.FLOATS, floats: [1.5] },
      { name: 'ss', type: AttributeType.STRINGS, strings: [ascii('a')] },
      { name: 't', type: AttributeType.TENSOR, t: floatTensor('', [1], [2]) },
      { name: 'g', type: AttributeType.GRAPH, g: {} },
    ];
    const graph = await read({
      nodes: [],
      more: {
        graph: {
          input: [input('x', [1])],
          output: [{ name: 'y' }],
          node: [{ opType: 'If', input: ['x'], output: ['y'], attribute }],
        },
      },
    });
    expect(graph.nodes[0]?.attributes).toMatchObject({
      i: { kind: 'int', value: Number.MAX_SAFE_INTEGER },
      f: { kind: 'float', value: 0.5 },
      s: { kind: 'string', value: 'text' },
      is: { kind: 'ints', value: [1, -2] },
      fs: { kind: 'floats', value: [1.5] },
      ss: { kind: 'strings', value: ['a'] },
      t: { kind: 'tensor', value: { dtype: 'float32', shape: [1] } },
      g: { kind: 'graph', value: { nodes: [] } },
    });
  });
});

describe('functions', () => {
  const call = (functions: object[], attribute: object[] = []) => ({
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 20n }],
    functions,
    graph: {
      input: [input('x', [2])],
      output: [{ name: 'y' }],
      node: [
        {
          opType: 'Twice',
          domain: 'local',
          name: 'layer',
          input: ['x'],
          output: ['y'],
          attribute,
          metadataProps: [{ key: 'k', value: 'v' }],
        },
      ],
    },
  });
  const alpha = { name: 'alpha', refAttrName: 'slope', type: AttributeType.FLOAT };
  const leaky = { opType: 'LeakyRelu', name: 'first', input: ['a'], output: ['mid'], attribute: [alpha] };
  const body = {
    name: 'Twice',
    domain: 'local',
    input: ['a'],
    output: ['b'],
    attribute: ['slope'],
    node: [leaky, { opType: 'Neg', input: ['mid'], output: ['b'] }],
  };
  const slope = { name: 'slope', type: AttributeType.FLOAT, f: 0.25 };

  it('are inlined with their attributes', async () => {
    const graph = await read({ nodes: [], more: call([body], [slope]) });
    expect(graph.nodes.map(({ op, name }) => [op, name])).toEqual([
      ['LeakyRelu', 'layer/first'],
      ['Neg', 'layer/Neg_1'],
    ]);
    expect(graph.nodes[0]?.attributes).toEqual({ alpha: { kind: 'float', value: 0.25 } });
    expect(graph.nodes[0]?.metadata).toEqual({ k: 'v' });
    expect(graph.outputs[0]?.producer?.op).toBe('Neg');
  });

  it('use their defaults, or leave the attribute out', async () => {
    const withDefault = await read({ nodes: [], more: call([{ ...body, attributeProto: [slope] }]) });
    expect(withDefault.nodes[0]?.attributes.alpha).toEqual({ kind: 'float', value: 0.25 });
    expect((await read({ nodes: [], more: call([body]) })).nodes[0]?.attributes).toEqual({});
  });

  it('may call each other, but not themselves', async () => {
    const outer = { ...body, node: [{ opType: 'Inner', domain: 'local', name: 'in', input: ['a'], output: ['b'] }] };
    const graph = await read({ nodes: [], more: call([outer, { ...body, name: 'Inner' }]) });
    expect(graph.nodes.map(({ name }) => name)).toEqual(['layer/in/first', 'layer/in/Neg_1']);
    const recursive = { ...body, node: [{ opType: 'Twice', domain: 'local', input: ['a'], output: ['b'] }] };
    await expect(read({ nodes: [], more: call([recursive]) })).rejects.toThrow(/local\.Twice calls itself/);
  });

  it('have branches that read their values and attributes', async () => {
    const branch = (g: object, name: string) => ({ name, type: AttributeType.GRAPH, g });
    const then = { node: [{ ...leaky, input: ['a'], output: ['t'] }], output: [{ name: 't' }] };
    const choice = { opType: 'If', input: ['a'], output: ['b'], attribute: [branch(then, 'then_branch')] };
    const model = call([{ ...body, node: [choice] }], [slope]);
    const [node] = (await read({ nodes: [], more: model })).nodes;
    const inner = node?.attributes.then_branch?.value as Graph;
    expect(inner.nodes[0]).toMatchObject({ op: 'LeakyRelu', attributes: { alpha: { value: 0.25 } } });
    expect(inner.nodes[0]?.inputs[0]?.name).toBe('x');
    expect(inner.outputs[0]).toBe(inner.nodes[0]?.outputs[0]);
  });

  it('are inlined in branches too', async () => {
    const inside = { opType: 'Twice', domain: 'local', name: 'in', input: ['x'], output: ['t'], attribute: [slope] };
    const g = { node: [inside], output: [{ name: 't' }] };
    const choice = { opType: 'If', input: ['x'], output: ['y'], attribute: [{ name: 'then_branch', g }] };
    const model = call([body]);
    const graph = await read({ nodes: [], more: { ...model, graph: { ...model.graph, node: [choice] } } });
    const inner = graph.nodes[0]?.attributes.then_branch?.value as Graph;
    expect(inner.nodes.map(({ op, name }) => [op, name])).toEqual([
      ['LeakyRelu', 'in/first'],
      ['Neg', 'in/Neg_1'],
    ]);
  });

  it('must be written for the operator set of the model', async () => {
    const old = { ...body, opsetImport: [{ domain: '', version: 9n }] };
    await expect(read({ nodes: [], more: call([old]) })).rejects.toThrow(/written for opset 9, the model for 20/);
  });
});
