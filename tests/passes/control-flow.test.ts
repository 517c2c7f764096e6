/** If, Loop and Scan against ONNX Runtime, which runs them as they are. */

import { TensorProto_DataType as T } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { checkGraph, type ErrorCode, type Value } from '../../src/graph/index.js';
import { loadModel } from '../../src/model/index.js';
import { requiredOpset } from '../../src/ops/index.js';
import { specialize } from '../../src/passes/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { floatTensor, input, intTensor, type ModelSpec, modelBytes, type NodeSpec, tensor } from '../onnx/build.js';
import { counted } from '../support/run.js';

const DIMS = [2, 3];
const DATA = Float32Array.from({ length: 6 }, (_, i) => Math.sin(i + 1));
const TRUE = tensor('true', T.BOOL, [], { int32Data: [1] });
const scalar = (name: string, value: number) => tensor(name, T.INT64, [], { int64Data: [BigInt(value)] });

/** What our static graph computes. */
async function ours(bytes: Uint8Array): Promise<number[]> {
  const { graph, input: image } = await loadModel(bytes);
  const [y] = graph.outputs;
  if (y === undefined) throw new Error('no output');
  const body = await runSteps(specialize(graph, new Map([[image, { dtype: 'float32', shape: DIMS }]]), [y]));
  const wanted = body.valueOf(y);
  body.graph.outputs = [wanted];
  expect(body.graph.nodes.map(({ op }) => op)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/If|Loop|Scan/)]),
  );
  const feeds = { x: { dtype: 'float32', dims: DIMS, data: DATA } } as const;
  const result = await runSteps(Session.runOnce(body.graph, requiredOpset(body.graph), feeds));
  return Array.from(result[wanted.name]?.data as Float32Array);
}

async function theirs(bytes: Uint8Array): Promise<number[]> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor('float32', DATA, DIMS) });
  return Array.from(y?.data as Float32Array);
}

/** Whether x has three columns, and whether it has four. */
const SHAPE: NodeSpec[] = [
  ['Shape', ['x'], ['shape']],
  ['Gather', ['shape', 'one'], ['columns']],
  ['Equal', ['columns', 'three'], ['has three']],
  ['Equal', ['columns', 'four'], ['has four']],
];
const model = (spec: ModelSpec): Uint8Array =>
  modelBytes({
    inputs: [input('x', ['rows', 'columns'])],
    ...spec,
    nodes: [...SHAPE, ...spec.nodes],
    initializers: [
      scalar('one', 1),
      scalar('three', 3),
      scalar('four', 4),
      TRUE,
      floatTensor('w', [3], [1, -2, 3]),
      floatTensor('three as number', [], [3]),
      ...(spec.initializers ?? []),
    ],
  });

const exp = {
  graph: {
    nodes: [
      ['Exp', ['x'], ['e']],
      ['Mul', ['e', 'w'], ['t']],
    ] as NodeSpec[],
    outputs: ['t'],
  },
};
const sine = { graph: { nodes: [['Sin', ['x'], ['s']]] as NodeSpec[], outputs: ['s'] } };
/** Gives a value from around it, unchanged. */
const outer = { graph: { nodes: [['Identity', ['x'], ['o']]] as NodeSpec[], outputs: ['o'] } };

/** Carries a sum and gives every partial sum, times the iteration. */
const body: ModelSpec = {
  inputs: [input('i', [], T.INT64), input('go', [], T.BOOL), input('sum', [2, 3])],
  nodes: [
    ['Identity', ['go'], ['on']],
    ['Add', ['sum', 'w'], ['next']],
    ['Cast', ['i'], ['number'], { to: T.FLOAT }],
    ['Mul', ['next', 'number'], ['part']],
  ],
  outputs: [input('on', [], T.BOOL), 'next', 'part'],
};

/** Carries the sum alone. */
const carrying: ModelSpec = { ...body, nodes: body.nodes.slice(0, 2), outputs: (body.outputs ?? []).slice(0, 2) };

/** Reads a value from around it. */
const reading: ModelSpec = {
  ...body,
  nodes: body.nodes.map((node) => (node[0] === 'Add' ? ['Mul', ['sum', 'around'], ['next']] : node)),
};

const FIRST = floatTensor('first', [3], [0.5, -1, 2]);

/** Around the body, which reads it. */
const GAIN: NodeSpec = ['Neg', ['three as number'], ['gain']];

/** Carries a sum of the slices; gives what became of each. */
const scan = (axes: Record<string, number[]>) => ({
  num_scan_inputs: 1,
  ...axes,
  body: {
    graph: {
      inputs: [input('sum', ['n']), input('slice', ['n'])],
      nodes: [
        ['Add', ['sum', 'slice'], ['next']],
        ['Mul', ['next', 'gain'], ['part']],
      ] as NodeSpec[],
      outputs: ['next', 'part'],
    },
  },
});

/** Gives two parts of each iteration. */
const parting: ModelSpec = {
  ...body,
  nodes: [...body.nodes, ['Neg', ['next'], ['other part']]],
  outputs: [...(body.outputs ?? []), 'other part'],
};

/** Goes on as a constant says. */
const goingOn = (constant: string): ModelSpec => ({
  ...carrying,
  nodes: [['Identity', [constant], ['on']], ...carrying.nodes.slice(1)],
});

describe('resolved', () => {
  const cases: [string, ModelSpec][] = [
    [
      'a Loop that always goes on',
      { nodes: [['Loop', ['columns', 'true', 'x'], ['y'], { body: { graph: goingOn('true') } }]] },
    ],
    [
      'a Loop of two stacks',
      {
        nodes: [
          ['Loop', ['columns', 'true', 'x'], ['last', 'parts', 'others'], { body: { graph: parting } }],
          ['Sub', ['parts', 'others'], ['y']],
        ],
      },
    ],
    [
      'an If that takes its first branch',
      { nodes: [['If', ['has three'], ['y'], { then_branch: exp, else_branch: sine }]] },
    ],
    ['an If that takes the other', { nodes: [['If', ['has four'], ['y'], { then_branch: exp, else_branch: sine }]] }],
    [
      'two with the same names inside',
      {
        nodes: [
          ['If', ['has three'], ['a'], { then_branch: exp, else_branch: sine }],
          ['If', ['has three'], ['b'], { then_branch: exp, else_branch: sine }],
          ['Sub', ['a', 'x'], ['c']],
          ['Mul', ['b', 'c'], ['y']],
        ],
      },
    ],
    [
      'one whose condition another decides',
      {
        nodes: [
          [
            'If',
            ['has four'],
            ['a'],
            { then_branch: { graph: { nodes: [['Squeeze', ['x'], ['q']]], outputs: ['q'] } }, else_branch: outer },
          ],
          ['Shape', ['a'], ['again']],
          ['Gather', ['again', 'one'], ['width']],
          ['Equal', ['width', 'three'], ['wide']],
          ['If', ['wide'], ['y'], { then_branch: sine, else_branch: exp }],
        ],
      },
    ],
    [
      'one inside another',
      {
        nodes: [
          [
            'If',
            ['has three'],
            ['y'],
            {
              then_branch: {
                graph: {
                  nodes: [
                    ['If', ['has four'], ['inner'], { then_branch: exp, else_branch: sine }],
                    ['Neg', ['inner'], ['n']],
                  ],
                  outputs: ['n'],
                },
              },
              else_branch: exp,
            },
          ],
        ],
      },
    ],
    [
      'a Loop that carries a value',
      {
        nodes: [['Loop', ['columns', 'true', 'x'], ['y', 'parts'], { body: { graph: body } }]],
      },
    ],
    [
      'a Loop that does not start',
      { nodes: [['Loop', ['columns', 'has four', 'x'], ['y'], { body: { graph: carrying } }]] },
    ],
    [
      'a Loop of no iterations',
      {
        nodes: [
          ['Sub', ['three', 'columns'], ['none']],
          ['Loop', ['none', 'true', 'x'], ['last'], { body: { graph: carrying } }],
          ['Neg', ['last'], ['y']],
        ],
      },
    ],
    [
      'a Loop whose body reads what is computed around it, behind another Loop',
      {
        nodes: [
          ['Sin', ['x'], ['around']],
          ['Loop', ['columns', 'true', 'x'], ['first', 'parts'], { body: { graph: reading } }],
          ['Loop', ['columns', 'true', 'first'], ['y', 'more'], { body: { graph: reading } }],
        ],
      },
    ],
    [
      'a Loop whose parts are stacked',
      {
        nodes: [
          ['Loop', ['columns', '', 'x'], ['last', 'parts'], { body: { graph: body } }],
          ['ReduceSum', ['parts', 'axes'], ['s'], { keepdims: 0 }],
          ['Add', ['s', 'last'], ['y']],
        ],
        initializers: [intTensor('axes', [0])],
      },
    ],
    ['a Scan over rows', { nodes: [GAIN, ['Scan', ['first', 'x'], ['last', 'y'], scan({})]], initializers: [FIRST] }],
    [
      'a Scan over columns from the end, whose parts are stacked behind and reversed',
      {
        nodes: [
          GAIN,
          [
            'Scan',
            ['pair', 'x'],
            ['last', 'parts'],
            scan({
              scan_input_axes: [-1],
              scan_input_directions: [1],
              scan_output_axes: [1],
              scan_output_directions: [1],
            }),
          ],
          ['Unsqueeze', ['last', 'axes'], ['column']],
          ['Concat', ['column', 'parts'], ['y'], { axis: 1 }],
        ],
        initializers: [floatTensor('pair', [2], [0.5, -1]), intTensor('axes', [1])],
      },
    ],
  ];
  it.each(cases)('%s', async (_name, spec) => {
    const bytes = model(spec);
    const expected = await theirs(bytes);
    const found = await ours(bytes);
    expect(found.length).toBe(expected.length);
    found.forEach((value, i) => void expect(value).toBeCloseTo(expected[i] as number, 5));
  });
});

describe('refused by name', () => {
  const ending: ModelSpec = { ...body, nodes: [['Not', ['go'], ['on']], ...body.nodes.slice(1)] };
  const nested: ModelSpec = {
    ...carrying,
    nodes: [
      ['Identity', ['go'], ['on']],
      ['If', ['go'], ['next'], { then_branch: exp, else_branch: sine }],
    ],
  };
  const counting = { ...scan({}), num_scan_inputs: 0 };
  const older = scan({ directions: [0] });
  const cases: [string, ModelSpec, RegExp, ErrorCode?][] = [
    [
      'a branch that is not there',
      { nodes: [['If', ['has three'], ['y'], { else_branch: sine }]] },
      /If 'If_\d'.*: it has no then_branch/,
      'invalid-model',
    ],
    [
      'a choice inside a loop',
      { nodes: [['Loop', ['columns', 'true', 'x'], ['y'], { body: { graph: nested } }]] },
      /If .*: control flow inside a loop is not supported \(2 nodes\)/,
    ],
    [
      'a number of iterations from the image',
      {
        nodes: [
          ['ReduceMax', ['x'], ['most'], { keepdims: 0 }],
          ['Cast', ['most'], ['trips'], { to: T.INT64 }],
          ['Loop', ['trips', 'true', 'x'], ['y'], { body: { graph: carrying } }],
        ],
      },
      /Loop .*: its number of iterations 'trips' depends on the data of the image/,
    ],
    [
      'a start that the image decides',
      {
        nodes: [
          ['ReduceMax', ['x'], ['most'], { keepdims: 0 }],
          ['Greater', ['most', 'three as number'], ['bright']],
          ['Loop', ['columns', 'bright', 'x'], ['y'], { body: { graph: carrying } }],
        ],
      },
      /Loop .*: its number of iterations 'bright' depends on the data of the image/,
    ],
    [
      'a Scan over nothing',
      { nodes: [GAIN, ['Scan', ['first', 'x'], ['last', 'y'], counting]], initializers: [FIRST] },
      /Scan .*: this form of Scan is not supported; export the model with opset 9 or later/,
    ],
    [
      'the Scan of opset 8',
      { nodes: [GAIN, ['Scan', ['first', 'x'], ['last', 'y'], older]], initializers: [FIRST] },
      /Scan .*: this form of Scan is not supported/,
    ],
    [
      'a condition on the image',
      {
        nodes: [
          ['ReduceMax', ['x'], ['most'], { keepdims: 0 }],
          ['Greater', ['most', 'zero'], ['bright']],
          ['If', ['bright'], ['y'], { then_branch: exp, else_branch: sine }],
        ],
        initializers: [floatTensor('zero', [], [0])],
      },
      /If 'If_0'.*its condition 'bright' depends on the data of the image/,
    ],
    [
      'a loop that ends itself',
      { nodes: [['Loop', ['columns', 'true', 'x'], ['y', 'p'], { body: { graph: ending } }]] },
      /ends on a condition of its own/,
    ],
    [
      'a loop that ends at once',
      {
        nodes: [['Loop', ['columns', 'true', 'x'], ['y'], { body: { graph: goingOn('false') } }]],
        initializers: [tensor('false', T.BOOL, [], { int32Data: [0] })],
      },
      /ends on a condition of its own/,
    ],
    [
      'a loop without end',
      { nodes: [['Loop', ['', 'true', 'x'], ['y', 'p'], { body: { graph: body } }]] },
      /has no trip count/,
    ],
    [
      'parts of no iterations',
      { nodes: [['Loop', ['columns', 'has four', 'x'], ['y', 'parts'], { body: { graph: body } }]] },
      /the loop does not run, and what it should stack has no shape/,
    ],
    [
      'too many iterations',
      {
        nodes: [['Loop', ['many', 'true', 'x'], ['y', 'p'], { body: { graph: body } }]],
        initializers: [scalar('many', 5000)],
      },
      /5000 iterations are too many/,
    ],
  ];
  it.each(cases)('%s', async (_name, spec, message, code = 'unsupported-operator') => {
    await expect(ours(model(spec))).rejects.toMatchObject({
      name: 'GlobalPercError',
      code,
      message: expect.stringMatching(message),
    });
  });
});

it('a model is unrolled anew for every shape, and stays as it was read', async () => {
  const anyRows: ModelSpec = { ...body, inputs: [...(body.inputs ?? []).slice(0, 2), input('sum', ['rows', 3])] };
  const spec: ModelSpec = {
    nodes: [
      ['Gather', ['shape', 'first place'], ['rows']],
      ['Loop', ['rows', 'true', 'x'], ['y', 'parts'], { body: { graph: anyRows } }],
    ],
    initializers: [scalar('first place', 0)],
  };
  const { graph, input: image } = await loadModel(model(spec));
  const y = graph.outputs[0] as Value;
  for (const rows of [2, 5, 1]) {
    const dims = [rows, 3];
    const types = new Map([[image, { dtype: 'float32', shape: dims } as const]]);
    const { result: made, sessions } = await counted(specialize(graph, types, [y]));
    // What decides is shape arithmetic: nothing is run for it.
    expect(sessions).toBe(0);
    expect(made.graph.nodes.filter(({ op }) => op === 'Add')).toHaveLength(rows);
    expect(made.valueOf(y).shape).toEqual(dims);
    checkGraph(graph);
    expect(graph.nodes.map(({ op }) => op)).toContain('Loop');
  }
});
