/** Recurrent layers: https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html and onnx__RNN.html. */
import { concat, GlobalPercError, type Tensor } from '../graph/index.js';
import { defineOp, type OpDefinition, type VjpContext } from './define.js';
import { requireRank, requireShape, requireThat } from './helpers/fits.js';
import { gruGradient } from './helpers/gru-gradient.js';
import { lstmGradient } from './helpers/lstm-gradient.js';
import {
  type Activation,
  type Direction,
  isActivation,
  type Received,
  type Returned,
} from './helpers/recurrent-steps.js';
import { rnnGradient } from './helpers/rnn-gradient.js';

/** Inputs by name, in the operator's order: x, w, r, b, sequence lengths, h₀, and for an LSTM c₀ and peepholes. */
type Inputs = readonly (Tensor | undefined)[];

interface Layer {
  /** The activations of one direction, where no others are given. */
  readonly activations: readonly Activation[];
  /** 1, or 2 with a cell: as many last ones are returned. */
  readonly states: 1 | 2;
  /** Matrices behind one another in a weight. */
  readonly gates: number;
  readonly gradient: (direction: Direction, received: Received) => Returned;
}

/**
 * X [T, B, I] → all states [T, D, B, H], the last states and, of an LSTM, the last cells [D, B, H], in D directions, the
 * second one from the last step to the first.
 */
const recurrent = (layer: Layer): OpDefinition =>
  defineOp({
    infer: (_, x, w, r, b, lengths, h0, c0) => {
      requireRank('the input', x, 3);
      requireRank('the recurrent weight', r, 3);
      const [directions, gates, hidden] = r.shape as [number, number, number];
      requireThat(
        gates === layer.gates * hidden,
        () => `a recurrent weight [${r.shape}] is not of ${layer.gates} gates`,
      );
      requireShape('the weight', w, [directions, gates, x.dim(2)]);
      requireShape('the bias', b, [directions, 2 * gates]);
      requireShape('the lengths', lengths, [x.dim(1)]);
      for (const state of [h0, c0]) requireShape('a state', state, [directions, x.dim(1), hidden]);
      const last = { dtype: x.dtype, shape: [r.dim(0), x.dim(1), r.dim(2)] };
      return [{ dtype: x.dtype, shape: [x.dim(0), ...last.shape] }, ...Array(layer.states).fill(last)];
    },
    vjp: (context, ...inputs) => {
      requirePlain(context, inputs);
      let made: readonly Returned[] | undefined;
      const joined = (name: keyof Returned) => (): Tensor => {
        made ??= directionsOf(context, inputs, layer);
        const each = made.map((gradients) => gradients[name]);
        return name === 'x'
          ? each.reduce((sum, dx) => sum.add(dx))
          : concat(
              each.map((part) => part.unsqueeze([0])),
              0,
            );
      };
      return [joined('x'), joined('w'), joined('r'), joined('b'), null, joined('h0'), joined('c0'), null];
    },
  });

/** The gradient of each direction is that of `rnnGradient`. */
export const RNN = recurrent({ activations: ['Tanh'], states: 1, gates: 1, gradient: rnnGradient });

/** The gradient of each direction is that of `gruGradient`. */
export const GRU = recurrent({ activations: ['Sigmoid', 'Tanh'], states: 1, gates: 3, gradient: gruGradient });

/** The gradient of each direction is that of `lstmGradient`. */
export const LSTM = recurrent({
  activations: ['Sigmoid', 'Tanh', 'Tanh'],
  states: 2,
  gates: 4,
  gradient: lstmGradient,
});

/** @throws GlobalPercError for the forms that have no rule. */
function requirePlain({ node, attributes }: VjpContext, inputs: Inputs): void {
  const strange = Object.entries({
    'sequence lengths': inputs[4] !== undefined,
    peepholes: inputs[7] !== undefined,
    clip: attributes.has('clip'),
    input_forget: attributes.int('input_forget', 0) === 1,
  }).find(([, isGiven]) => isGiven);
  if (strange) throw withoutRule(node, strange[0]);
}

/** Activations of all directions, one after the other. */
function activationsOf({ node, attributes }: VjpContext, directions: number, layer: Layer): readonly Activation[] {
  const given = attributes.strings('activations') ?? Array(directions).fill(layer.activations).flat();
  const strange = given.find((name) => !isActivation(name));
  if (strange !== undefined) throw withoutRule(node, `the activation '${strange}'`);
  return given as readonly Activation[];
}

const withoutRule = ({ op, name }: VjpContext['node'], what: string): GlobalPercError =>
  new GlobalPercError(`${op} '${name}': ${what} has no gradient rule`, { code: 'unsupported-operator' });

/** The gradients of each direction. */
function directionsOf(context: VjpContext, inputs: Inputs, layer: Layer): Returned[] {
  const [x, w, r, b, , h0, c0] = inputs as [Tensor, Tensor, Tensor, ...(Tensor | undefined)[]];
  const { attributes, dys, node } = context;
  const y = context.outputs[0] ?? (x.graph.emit(node.op, inputs, node.attributes)[0] as Tensor);
  const [steps, directions, batch, hidden] = y.shape as [number, number, number, number];
  const zeros = x.graph.scalar(0, x.dtype);
  const last = [directions, batch, hidden];
  const [dy, dh, dc] = [[steps, ...last], last, last].map((shape, i) => dys[i] ?? zeros.expand(shape));
  const activations = activationsOf(context, directions, layer);
  const perDirection = layer.activations.length;
  return Array.from({ length: directions }, (_, d) => {
    const backward = d === 1 || attributes.string('direction', 'forward') === 'reverse';
    const inOrder = (tensor: Tensor): Tensor => (backward ? tensor.flip([0]) : tensor);
    const own = (tensor: Tensor, axis = 0): Tensor => tensor.slice([axis], [d], [d + 1]).squeeze([axis]);
    const start = (state: Tensor | undefined): Tensor => (state ? own(state) : zeros.expand([batch, hidden]));
    const direction = {
      ...{ x: inOrder(x), w: own(w), r: own(r), b: b && own(b), h0: start(h0), c0: start(c0) },
      y: inOrder(own(y, 1)),
      activations: activations.slice(d * perDirection, (d + 1) * perDirection),
      linearBeforeReset: attributes.int('linear_before_reset', 0) !== 0,
    };
    const received = { dy: inOrder(own(dy as Tensor, 1)), dh: own(dh as Tensor), dc: own(dc as Tensor) };
    const gradients = layer.gradient(direction, received);
    return { ...gradients, x: inOrder(gradients.x) };
  });
}
