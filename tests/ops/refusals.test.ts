/** Forms of operators that have no rule, or that ONNX Runtime computes wrongly: named, not computed. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import {
  type Attributes,
  float,
  GlobalPercError,
  type Graph,
  int,
  ints,
  string,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';

interface Refusal {
  op: string;
  what: string;
  inputs: (graph: Graph) => (Tensor | undefined)[];
  attributes: Attributes;
  message: RegExp;
}

/** The inputs X, W and R of a layer of so many gates, and further ones. */
const layer =
  (gates: number, ...more: (number[] | undefined)[]) =>
  (graph: Graph): (Tensor | undefined)[] =>
    [[3, 2, 4], [1, gates * 5, 4], [1, gates * 5, 5], ...more].map(
      (shape, i) => shape && graph.input(`x${i}`, i === 4 ? 'int32' : 'float32', shape),
    );

const hidden = { hidden_size: int(5) };
const activations = (...value: string[]): Attributes => ({ ...hidden, activations: { kind: 'strings', value } });

const recurrent: Refusal[] = (
  [
    ['RNN', 1],
    ['GRU', 3],
    ['LSTM', 4],
  ] as const
).flatMap(([op, gates]) => [
  {
    op,
    what: 'sequence lengths',
    inputs: layer(gates, undefined, [2]),
    attributes: hidden,
    message: /'layer': sequence lengths has no gradient rule/,
  },
  {
    op,
    what: 'clip',
    inputs: layer(gates),
    attributes: { ...hidden, clip: float(1) },
    message: /'layer': clip has no gradient rule/,
  },
  {
    op,
    what: 'an activation',
    inputs: layer(gates),
    attributes: activations('Sigmoid', 'Tanh', 'Elu'),
    message: /'layer': the activation 'Elu' has no gradient rule/,
  },
]);

const refusals: Refusal[] = [
  ...recurrent,
  {
    op: 'LSTM',
    what: 'peepholes',
    inputs: layer(4, undefined, undefined, undefined, undefined, [1, 15]),
    attributes: hidden,
    message: /peepholes has no gradient rule/,
  },
  {
    op: 'LSTM',
    what: 'input_forget',
    inputs: layer(4),
    attributes: { ...hidden, input_forget: int(1) },
    message: /input_forget has no gradient rule/,
  },
  {
    op: 'RoiAlign',
    what: 'adaptive sampling of regions that depend on the data',
    inputs: (graph) => [
      graph.input('x', 'float32', [1, 2, 5, 5]),
      graph.input('rois', 'float32', [3, 4]),
      graph.ints([0, 0, 0]),
    ],
    attributes: {},
    message: /'layer': sampling_ratio 0 takes as many samples as a region is large, but the regions depend on the data/,
  },
  {
    op: 'STFT',
    what: 'a window over a complex signal',
    inputs: (graph) => [
      graph.input('x', 'float32', [1, 9, 2]),
      graph.scalar(2, 'int64'),
      graph.input('w', 'float32', [4]),
    ],
    attributes: { onesided: int(0) },
    message: /STFT 'layer' with inputs float32\[1,9,2\].*computes windows of complex signals wrongly/,
  },
  {
    op: 'STFT',
    what: 'no length',
    inputs: (graph) => [graph.input('x', 'float32', [1, 9, 1]), graph.scalar(2, 'int64')],
    attributes: {},
    message: /needs a step, and a window or the length of a frame/,
  },
  {
    op: 'DeformConv',
    what: 'channels that do not fit',
    inputs: (graph) =>
      [
        [1, 3, 5, 5],
        [2, 2, 1, 1],
        [1, 2, 5, 5],
      ].map((shape, i) => graph.input(`x${i}`, 'float32', shape)),
    attributes: {},
    message: /takes 2 channels, the input has 3/,
  },
  ...['Conv', 'MaxPool', 'AveragePool', 'LpPool'].map((op) => ({
    op,
    what: 'automatic padding of dilated windows',
    inputs: (graph: Graph) => {
      const x = graph.input('x', 'float32', [1, 1, 6]);
      return op === 'Conv' ? [x, graph.input('w', 'float32', [1, 1, 3])] : [x];
    },
    attributes: { kernel_shape: ints([3]), dilations: ints([2]), auto_pad: string('SAME_UPPER') },
    message: /'layer' with inputs .*: ONNX Runtime does not compute auto_pad SAME_UPPER with dilations/,
  })),
  {
    op: 'Resize',
    what: 'cropping',
    inputs: (graph) => [graph.input('x', 'float32', [2, 4]), undefined, undefined, graph.ints([2, 8])],
    attributes: { coordinate_transformation_mode: string('tf_crop_and_resize'), axes: ints([0, 1]) },
    message: /no gradient for coordinate_transformation_mode 'tf_crop_and_resize'/,
  },
];

describe('refuses by name', () => {
  it.each(refusals.map((refusal) => ({ ...refusal, label: `${refusal.op}: ${refusal.what}` })))(
    '$label',
    ({ op, inputs, attributes, message }) => {
      const graph = createGraph();
      const given = inputs(graph);
      const differentiate = (): Tensor[] => {
        const [y] = graph.emit(op, given, attributes, { name: 'layer' });
        return gradient((y as Tensor).sum(), [given[0] as Tensor]);
      };
      expect(differentiate).toThrow(message);
      expect(differentiate).toThrow(GlobalPercError);
    },
  );
});
