/** Running a part of a graph while it is compiled. */
import {
  bytesOf,
  type ConstantData,
  copyNodes,
  GraphBuilder,
  type Node,
  neededNodes,
  type Value,
} from '../graph/index.js';
import { type HostTensor, Session, type SessionOptions, type Steps } from '../runtime/index.js';

/** How a part of a graph is run. */
export interface Evaluation {
  readonly opset: number;
  /** What the nodes are given from outside. */
  readonly feeds?: ReadonlyMap<Value, HostTensor>;
  readonly options: SessionOptions;
}

/** Runs nodes once in ONNX Runtime, as far as some of their values need it, and gives those. */
export function* evaluate(
  nodes: readonly Node[],
  wanted: readonly Value[],
  { opset, feeds = new Map(), options }: Evaluation,
): Steps<ReadonlyMap<Value, HostTensor>> {
  const program = new GraphBuilder();
  const copies = new Map<Value, Value>();
  for (const [i, [value, { dtype, dims }]] of [...feeds].entries())
    copies.set(value, program.input(`input_${i}`, dtype, dims).value);
  program.nodes = copyNodes(
    neededNodes(nodes, wanted, (value) => value.constant === undefined && !feeds.has(value)),
    copies,
  );
  // The names of a program's outputs are all that tells them apart, and those of a model need not differ from ours.
  program.outputs = wanted.map((value, i) => Object.assign(copies.get(value) as Value, { name: `output_${i}` }));
  const given = Object.fromEntries(Array.from(feeds.values(), (feed, i) => [`input_${i}`, feed]));
  const results = yield* Session.runOnce(program, opset, given, options);
  return new Map(wanted.map((value, i) => [value, results[`output_${i}`] as HostTensor]));
}

/** A fetched tensor as constant data. */
export function constantFrom({ dtype, dims, data }: HostTensor): ConstantData {
  if (data === undefined) throw new Error('a kept tensor has no data here');
  return { dtype, shape: [...dims], bytes: bytesOf(data) };
}
