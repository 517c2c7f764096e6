/** Recurrent layers. */
import { concat, GlobalPercError, type Tensor } from '../graph/index.js';
import { defineOp, type VjpContext } from './define.js';
import { type Lstm, lstmGradient, type Received, type Returned } from './helpers/lstm.js';

/** Inputs of an LSTM by name, in its order. */
type Inputs = readonly (Tensor | undefined)[];

/**
 * X [T, B, I] → all states [T, D, B, H], the last states and the last cells [D, B, H], in D directions, the second one
 * from the last step to the first. The gradient of each is that of `lstmGradient`.
 */
export const LSTM = defineOp({
  infer: (_, x, _w, r) => {
    const last = { dtype: x.dtype, shape: [r.dim(0), x.dim(1), r.dim(2)] };
    return [{ dtype: x.dtype, shape: [x.dim(0), ...last.shape] }, last, last];
  },
  vjp: (context, ...inputs) => {
    requirePlain(context, inputs);
    let made: readonly Returned[] | undefined;
    const joined = (name: keyof Returned) => (): Tensor => {
      made ??= directionsOf(context, inputs);
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

/** @throws GlobalPercError for the forms that have no rule. */
function requirePlain({ node, attributes }: VjpContext, inputs: Inputs): void {
  const usual = { forward: 3, reverse: 3, bidirectional: 6 }[attributes.string('direction', 'forward')] ?? 0;
  const activations = node.attributes.activations;
  const given = activations?.kind === 'strings' ? activations.value : [];
  const strange = Object.entries({
    'sequence lengths': inputs[4] !== undefined,
    peepholes: inputs[7] !== undefined,
    clip: attributes.has('clip'),
    input_forget: attributes.int('input_forget', 0) === 1,
    layout: attributes.int('layout', 0) === 1,
    activations: given.some((name, i) => name !== (i % 3 === 0 ? 'Sigmoid' : 'Tanh')) || given.length > usual,
  }).find(([, isGiven]) => isGiven);
  if (strange) throw new GlobalPercError(`${node.op} '${node.name}': ${strange[0]} has no gradient rule`);
}

/** The gradients of each direction. */
function directionsOf(context: VjpContext, inputs: Inputs): Returned[] {
  const [x, w, r, b, , h0, c0] = inputs as [Tensor, Tensor, Tensor, ...(Tensor | undefined)[]];
  const { attributes, dys } = context;
  const y = context.outputs[0] ?? (x.graph.emit('LSTM', inputs, context.node.attributes)[0] as Tensor);
  const [steps, directions, batch, hidden] = y.shape as [number, number, number, number];
  const zeros = x.graph.scalar(0, x.dtype);
  const last = [directions, batch, hidden];
  const [dy, dh, dc] = [[steps, ...last], last, last].map((shape, i) => dys[i] ?? zeros.expand(shape));
  return Array.from({ length: directions }, (_, d) => {
    const backward = d === 1 || attributes.string('direction', 'forward') === 'reverse';
    const inOrder = (tensor: Tensor): Tensor => (backward ? tensor.flip([0]) : tensor);
    const own = (tensor: Tensor, axis = 0): Tensor => tensor.slice([axis], [d], [d + 1]).squeeze([axis]);
    const [start, cell] = [h0, c0].map((state) => (state ? own(state) : zeros.expand([batch, hidden])));
    const lstm = { x: inOrder(x), w: own(w), r: own(r), b: b && own(b), h0: start, c0: cell, y: inOrder(own(y, 1)) };
    const received = { dy: inOrder(own(dy as Tensor, 1)), dh: own(dh as Tensor), dc: own(dc as Tensor) };
    const gradients = lstmGradient(lstm as Lstm, received as Received);
    return { ...gradients, x: inOrder(gradients.x) };
  });
}
