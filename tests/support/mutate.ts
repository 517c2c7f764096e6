/** Damaged ONNX files: bytes that flipped or broke off, and whole messages whose parts no longer fit together. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type GraphProto, ModelProtoSchema, type NodeProto } from 'onnx-buf';

/** A change of a file. */
export type Mutation = (bytes: Uint8Array) => Uint8Array;

const flips = fc
  .array(fc.record({ at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), value: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map(
    (edits): Mutation =>
      (bytes) => {
        const damaged = bytes.slice();
        for (const { at, value } of edits) damaged[Math.floor(at * bytes.length)] = value;
        return damaged;
      },
  );

const cut = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }).map(
  (at): Mutation =>
    (bytes) =>
      bytes.slice(0, Math.floor(at * bytes.length)),
);

/** Changes one message by two numbers that say where and how. */
type Edit = (graph: GraphProto, pick: (count: number) => number, number: number) => void;

const nodeOf = (graph: GraphProto, pick: (count: number) => number): NodeProto =>
  graph.node[pick(graph.node.length)] as NodeProto;

const EDITS: Readonly<Record<string, Edit>> = {
  'drops a node': (graph, pick) => graph.node.splice(pick(graph.node.length), 1),
  'repeats a node': (graph, pick) => graph.node.push(nodeOf(graph, pick)),
  'swaps two nodes': (graph, pick) => {
    const [a, b] = [pick(graph.node.length), pick(graph.node.length)];
    [graph.node[a], graph.node[b]] = [graph.node[b] as NodeProto, graph.node[a] as NodeProto];
  },
  'takes another operator': (graph, pick) => {
    nodeOf(graph, pick).opType = nodeOf(graph, pick).opType;
  },
  'drops an input': (graph, pick) => {
    const { input } = nodeOf(graph, pick);
    input.splice(pick(Math.max(1, input.length)), 1);
  },
  'reads another value': (graph, pick) => {
    const { input } = nodeOf(graph, pick);
    input[pick(Math.max(1, input.length))] = nodeOf(graph, pick).output[0] ?? '';
  },
  'reads nothing': (graph, pick) => {
    const { input } = nodeOf(graph, pick);
    input[pick(Math.max(1, input.length))] = '';
  },
  'drops attributes': (graph, pick) => {
    nodeOf(graph, pick).attribute = [];
  },
  'changes integers': (graph, pick, number) => {
    for (const attribute of nodeOf(graph, pick).attribute) {
      attribute.i = BigInt(number);
      attribute.ints = attribute.ints.map((value, i) => (i === 0 ? BigInt(number) : value));
    }
  },
  'takes attributes of another node': (graph, pick) => {
    nodeOf(graph, pick).attribute = nodeOf(graph, pick).attribute;
  },
  'changes the shape of a weight': (graph, pick, number) => {
    const weight = graph.initializer[pick(Math.max(1, graph.initializer.length))];
    if (weight) weight.dims = weight.dims.map((dim, i) => (i === 0 ? BigInt(number) : dim));
  },
  'turns the shape of a weight': (graph, pick) => {
    graph.initializer[pick(Math.max(1, graph.initializer.length))]?.dims.reverse();
  },
  'changes a small constant': (graph, pick, number) => {
    const small = graph.initializer.filter(({ rawData }) => rawData.length === 8 || rawData.length === 16);
    const weight = small[pick(Math.max(1, small.length))];
    if (weight)
      weight.rawData = new Uint8Array(
        BigInt64Array.from({ length: weight.rawData.length / 8 }, () => BigInt(number)).buffer,
      );
  },
  'drops a weight': (graph, pick) => graph.initializer.splice(pick(Math.max(1, graph.initializer.length)), 1),
  'changes an element type': (graph, pick, number) => {
    const weight = graph.initializer[pick(Math.max(1, graph.initializer.length))];
    if (weight) weight.dataType = Math.abs(number) % 24;
  },
  'has no outputs': (graph) => {
    graph.output = [];
  },
};

const edits = fc
  .record({
    edit: fc.constantFrom(...Object.keys(EDITS)),
    picks: fc.array(fc.nat(1_000_000), { minLength: 3, maxLength: 3 }),
    number: fc.oneof(fc.integer({ min: -3, max: 9 }), fc.constantFrom(-(2 ** 31), 2 ** 31, 2 ** 40, 1_000_003)),
  })
  .map(
    ({ edit, picks, number }): Mutation =>
      (bytes) => {
        const model = fromBinary(ModelProtoSchema, bytes);
        const rest = picks.values();
        const pick = (count: number): number => (rest.next().value ?? 0) % count;
        if (model.graph) EDITS[edit]?.(model.graph, pick, number);
        return toBinary(ModelProtoSchema, model);
      },
  );

/** Any damage, the ones that leave a readable file most often. */
export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 4, arbitrary: edits },
  { weight: 2, arbitrary: flips },
  { weight: 1, arbitrary: cut },
);
