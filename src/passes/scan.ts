/** Scan as Loop: a body that is repeated for every slice of some tensors (https://onnx.ai/onnx/operators/onnx__Scan.html). */
import { attributesOf, constantOf, describeNode, GlobalPercError, int, type Node, type Value } from '../graph/index.js';
import { createGraph } from '../ops/index.js';

/**
 * The same as a Loop over as many iterations as there are slices, which each iteration takes for itself. `scan_output_axes`
 * and `scan_output_directions` stay with it and say how what it gives is stacked.
 * @throws GlobalPercError for the form of operator set 8, which had batches of their own.
 */
export function scanAsLoop(node: Node): Node[] {
  const read = attributesOf(node);
  const body = read.graph('body');
  const slicedCount = read.int('num_scan_inputs', 0);
  if (body === undefined || slicedCount < 1 || node.inputs[0] === undefined || read.has('directions'))
    throw new GlobalPercError(
      `${describeNode(node)}: this form of Scan is not supported; export the model with opset 9 or later`,
    );
  const carriedCount = body.inputs.length - slicedCount;
  // What the body reads from around it comes behind.
  const sliced = node.inputs.slice(carriedCount, body.inputs.length);
  const axes = read.ints('scan_input_axes') ?? [];
  const directions = read.ints('scan_input_directions') ?? [];
  const name = (what: string): string => `${node.name}/${what}`;

  const shape: Value = { name: name('shape') };
  const count: Value = { name: name('count') };
  const place = scalar(name('axis'), axes[0] ?? 0);
  const iteration: Value = { name: name('iteration'), dtype: 'int64', shape: [] };
  const condition: Value = { name: name('condition'), dtype: 'bool', shape: [] };
  const fromEnd: Value = { name: name('from_end') };
  const last: Value = { name: name('last') };
  const reversed = directions.includes(1);
  const taken = sliced.map((value, i) =>
    plain(
      'Gather',
      name(`slice_${i}`),
      [value, directions[i] === 1 ? fromEnd : iteration],
      body.inputs[carriedCount + i] as Value,
      axes[i] ?? 0,
    ),
  );
  const loop = createGraph();
  loop.inputs = [iteration, condition, ...body.inputs.slice(0, carriedCount)];
  loop.outputs = [condition, ...body.outputs];
  loop.nodes = [
    ...(reversed ? [plain('Sub', name('from_end'), [last, iteration], fromEnd)] : []),
    ...taken,
    ...body.nodes,
  ];
  return [
    plain('Shape', name('shape'), [sliced[0]], shape),
    plain('Gather', name('count'), [shape, place], count, 0),
    ...(reversed ? [plain('Sub', name('last'), [count, scalar(name('one'), 1)], last)] : []),
    {
      ...node,
      op: 'Loop',
      inputs: [count, undefined, ...node.inputs],
      attributes: { ...node.attributes, body: { kind: 'graph', value: loop } },
    },
  ];
}

const scalar = (name: string, value: number): Value => ({
  name,
  dtype: 'int64',
  shape: [],
  constant: constantOf('int64', [], [value]),
});

function plain(op: string, name: string, inputs: (Value | undefined)[], output: Value, axis?: number): Node {
  const attributes = axis === undefined ? {} : { axis: int(axis) };
  return { op, domain: '', name, inputs, outputs: [output], attributes };
}
