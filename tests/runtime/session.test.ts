/** What ONNX Runtime is kept from. */
import { expect, it } from 'vitest';
import { constantOf, ints, type Tensor } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { runSteps, Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn } from '../support/run.js';

it('a MaxPool sees the zeros that a Pad before it puts beside negative numbers', async () => {
  const graph = createGraph();
  const padded = graph.input('x', 'float32', [1, 1, 2, 2]).pad([0, 0, 0, 0], [0, 0, 1, 1]);
  const [y] = graph.emit('MaxPool', [padded], { kernel_shape: ints([2, 2]), strides: ints([1, 1]) });
  graph.output('y', y as Tensor);
  const session = await runSteps(Session.open(graph, requiredOpset(graph)));
  const { y: found } = await runSteps(
    session.run({ x: feedOf(constantOf('float32', [1, 1, 2, 2], [-4, -3, -2, -1])) }),
  );
  await runSteps(session.dispose());
  expect(numbersIn(found)).toEqual([-1, 0, 0, 0]);
});
