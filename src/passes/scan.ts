/** Scan as Loop: a body that is repeated for every slice of some tensors (https://onnx.ai/onnx/operators/onnx__Scan.html). */
import {
  attributesOf,
  type Body,
  constantOf,
  copyNodes,
  describeNode,
  GlobalPercError,
  int,
  makeConstant,
  makeNode,
  makeValue,
  type Node,
  type Value,
} from '../graph/index.js';

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
      { code: 'unsupported-operator' },
    );
  const carriedCount = body.inputs.length - slicedCount;
  // What the body reads from around it comes behind.
  const sliced = node.inputs.slice(carriedCount, body.inputs.length);
  const axes = read.ints('scan_input_axes') ?? [];
  const directions = read.ints('scan_input_directions') ?? [];
  const name = (what: string): string => `${node.name}/${what}`;

  const shape = makeValue('Shape', name('shape'), [sliced[0]]);
  const count = makeValue('Gather', name('count'), [shape.value, scalar(name('axis'), axes[0] ?? 0)], { axis: int(0) });
  const last = makeValue('Sub', name('last'), [count.value, scalar(name('one'), 1)]);
  const iteration: Value = { name: name('iteration'), dtype: 'int64', shape: [] };
  const condition: Value = { name: name('condition'), dtype: 'bool', shape: [] };
  const fromEnd = makeValue('Sub', name('from_end'), [last.value, iteration]);
  const taken = sliced.map((value, i) => {
    const place = directions[i] === 1 ? fromEnd.value : iteration;
    return makeValue('Gather', name(`slice_${i}`), [value, place], { axis: int(axes[i] ?? 0) });
  });
  const copies = new Map(taken.map(({ value }, i) => [body.inputs[carriedCount + i] as Value, value]));
  const repeated = copyNodes(body.nodes, copies);
  const reversed = directions.includes(1);
  const loop: Body = {
    inputs: [iteration, condition, ...body.inputs.slice(0, carriedCount)],
    outputs: [condition, ...body.outputs.map((value) => copies.get(value) ?? value)],
    nodes: [...(reversed ? [fromEnd.node] : []), ...taken.map((slice) => slice.node), ...repeated],
  };
  return [
    shape.node,
    count.node,
    ...(reversed ? [last.node] : []),
    makeNode({
      ...node,
      op: 'Loop',
      inputs: [count.value, undefined, ...node.inputs],
      attributes: { ...node.attributes, body: { kind: 'graph', value: loop } },
    }),
  ];
}

const scalar = (name: string, value: number): Value => makeConstant(name, constantOf('int64', [], [value]));
