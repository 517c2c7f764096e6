/**
 * Brings nodes of older operator sets to the signatures of opset 20 (GroupNormalization: 21), so that no later room
 * knows of versions. The changes are those listed per operator at https://onnx.ai/onnx/operators/.
 */
import {
  type Body,
  byteLengthOf,
  constantOf,
  GlobalPercError,
  int,
  ints,
  numbersOf,
  string,
  type Value,
} from '../graph/index.js';
import { Draft } from './draft.js';

/** Below it, broadcasting was spelled out by attributes. */
const OLDEST = 7;

/** Rewrites nodes of operator sets before `before`. */
interface Rule {
  readonly before: number;
  readonly rewrite: (draft: Draft) => void;
}

const until = (before: number, rewrite: Rule['rewrite']): Rule => ({ before, rewrite });

/** What is wrong with a file that an error is about. */
const INVALID = { code: 'invalid-model' } as const;

const ONE = constantOf('float32', [1], [1]);

/** For spellings that newer operator sets allow as well. */
const ALWAYS = Number.POSITIVE_INFINITY;

const axesToInput = (draft: Draft): void => draft.moveInts('axes', 1);
const reduction = [until(18, axesToInput)];

const RULES: ReadonlyMap<string, readonly Rule[]> = new Map(
  Object.entries({
    BatchNormalization: [until(14, batchNormalization)],
    Clip: [until(11, clip)],
    DFT: [until(20, dft)],
    Dropout: [until(12, (draft) => draft.moveFloat('ratio', 1))],
    GridSample: [until(20, gridSample), until(ALWAYS, castPlaces)],
    GroupNormalization: [until(21, groupNormalization)],
    GRU: [until(ALWAYS, batchFirst)],
    Hardmax: [until(13, flattened)],
    LogSoftmax: [until(13, flattened)],
    LSTM: [until(ALWAYS, batchFirst)],
    MaxPool: [until(10, undilated)],
    Pad: [until(11, pad)],
    ReduceL1: reduction,
    ReduceL2: reduction,
    ReduceLogSum: reduction,
    ReduceLogSumExp: reduction,
    ReduceMax: reduction,
    ReduceMean: reduction,
    ReduceMin: reduction,
    ReduceProd: reduction,
    ReduceSum: [until(13, axesToInput)],
    ReduceSumSquare: reduction,
    Resize: [until(11, asResize), until(ALWAYS, dropEmptyInputs), until(ALWAYS, tensorFlowNearest)],
    RNN: [until(ALWAYS, batchFirst)],
    RoiAlign: [until(16, roiAlign)],
    Scatter: [until(11, scatter)],
    Slice: [until(10, slice)],
    Softmax: [until(13, flattened)],
    Split: [until(13, (draft) => draft.moveInts('split', 1)), until(18, countOutputs)],
    Squeeze: [until(13, axesToInput)],
    TopK: [until(10, topK)],
    Unsqueeze: [until(13, axesToInput)],
    Upsample: [until(10, upsample)],
  }),
);

/**
 * Rewrites, in place, all nodes of the standard domain.
 * @throws GlobalPercError when the operator set is too old, or a node relies on something no newer one has.
 */
export function normalizeOpset(graph: Body, opset: number, source = 'the model'): void {
  if (opset < OLDEST) {
    throw new GlobalPercError(
      `${source}: opset ${opset} is too old, ${OLDEST} or later is needed; export it again or use onnx.version_converter`,
      INVALID,
    );
  }
  graph.nodes = graph.nodes.flatMap((node) => {
    for (const { kind, value } of Object.values(node.attributes))
      if (kind === 'graph') normalizeOpset(value, opset, source);
    const rules = node.domain === '' ? (RULES.get(node.op) ?? []).filter(({ before }) => opset < before) : [];
    if (rules.length === 0) return [node];
    const draft = new Draft(node, source);
    for (const { rewrite } of rules) rewrite(draft);
    return draft.finish();
  });
}

/** Before 14, further outputs meant training; they are dropped, as in evaluation. `spatial` left with opset 9. */
function batchNormalization(draft: Draft): void {
  if (draft.read.int('spatial', 1) === 0) {
    throw new GlobalPercError(
      `${draft.where}: spatial=0 has no counterpart in newer opsets; export the model again`,
      INVALID,
    );
  }
  delete draft.attributes.spatial;
  draft.outputs = draft.outputs.slice(0, 1);
}

function clip(draft: Draft): void {
  draft.moveFloat('min', 1);
  draft.moveFloat('max', 2);
}

/** Before 20, the axis was an attribute. */
function dft(draft: Draft): void {
  const axis = draft.read.int('axis', 1);
  delete draft.attributes.axis;
  draft.setInput(2, draft.constant('axis', constantOf('int64', [], [axis])));
}

/** Opset 20 renamed the interpolations. */
function gridSample(draft: Draft): void {
  const mode = draft.read.string('mode', 'bilinear');
  draft.attributes.mode = string({ bilinear: 'linear', bicubic: 'cubic' }[mode] ?? mode);
}

/** The places may be of another type than the image; ONNX Runtime wants the same. */
function castPlaces(draft: Draft): void {
  const [x, grid] = draft.inputs;
  if (x && grid) draft.setInput(1, draft.prepend('CastLike', [grid, x]));
}

/** Scale and bias had one entry per group, and have one per channel: each is repeated channels/groups times. */
function groupNormalization(draft: Draft): void {
  const groups = draft.ints('groups', [draft.read.int('num_groups', 1)]);
  const [x, scale, bias] = draft.inputs;
  if (!x || !scale || !bias)
    throw new GlobalPercError(`${draft.where}: expected the inputs X, scale and bias`, INVALID);
  const channels = draft.prepend('Shape', [x], { start: int(1), end: int(2) });
  const repeats = draft.prepend('Div', [channels, groups]);
  const target = draft.prepend('Concat', [groups, repeats], { axis: int(0) });
  const perChannel = (perGroup: Value): Value => {
    const column = draft.prepend('Unsqueeze', [perGroup, draft.ints('one', [1])]);
    const repeated = draft.prepend('Expand', [column, target]);
    return draft.prepend('Reshape', [repeated, draft.ints('all', [-1])]);
  };
  draft.inputs = [x, perChannel(scale), perChannel(bias)];
}

/** Before 13, softmax and its kin ran over all dimensions from `axis` (default 1) on at once. */
function flattened(draft: Draft): void {
  const axis = draft.read.int('axis', 1);
  draft.attributes.axis = int(-1);
  const [x] = draft.inputs;
  if (axis === -1 || x === undefined) return;
  const shape = draft.prepend('Shape', [x]);
  draft.inputs = [draft.prepend('Flatten', [x], { axis: int(axis) })];
  draft.append('Reshape', [shape]);
}

/** Before 10 there were no dilations. */
function undilated(draft: Draft): void {
  draft.attributes.dilations = ints((draft.read.ints('kernel_shape') ?? []).map(() => 1));
}

/** ONNX Runtime knows no layout 1, [batch, steps, …] with states [batch, directions, …]: transposed on both sides. */
function batchFirst(draft: Draft): void {
  const layout = draft.read.int('layout', 0);
  delete draft.attributes.layout;
  if (layout === 0) return;
  const swapped = { perm: ints([1, 0, 2]) };
  draft.inputs = draft.inputs.map((value, i) =>
    value && [0, 5, 6].includes(i) ? draft.prepend('Transpose', [value], swapped) : value,
  );
  draft.append('Transpose', [], { perm: ints([2, 0, 1, 3]) });
  for (const position of [1, 2]) draft.append('Transpose', [], swapped, position);
}

/** Before 16, places were not moved by half a pixel. */
function roiAlign(draft: Draft): void {
  draft.attributes.coordinate_transformation_mode = string('output_half_pixel');
}

function pad(draft: Draft): void {
  draft.moveInts('pads', 1);
  draft.moveFloat('value', 2);
}

/**
 * Before 11, positions were scaled without offset; ONNX Runtime rounds them down along axes that grow and up along axes
 * that shrink. A newer operator rounds along all axes alike, so that nearest neighbours take one for each.
 */
function asResize(draft: Draft): void {
  const [x, scales] = draft.inputs;
  if (!x || !scales) throw new GlobalPercError(`${draft.where}: expected the inputs X and scales`, INVALID);
  const known = scales.constant && numbersOf(scales.constant);
  const grows = known?.some((scale) => scale > 1) ?? true;
  const shrinks = known?.some((scale) => scale < 1) ?? true;
  draft.op = 'Resize';
  draft.inputs = [x, undefined, scales];
  draft.attributes.coordinate_transformation_mode = string('asymmetric');
  draft.attributes.nearest_mode = string(shrinks && !grows ? 'ceil' : 'floor');
  if (grows && shrinks && draft.read.string('mode', 'nearest') === 'nearest') {
    draft.setInput(2, limited(draft, 'Max', scales));
    draft.append('Resize', [undefined, limited(draft, 'Min', scales)], {
      ...draft.attributes,
      nearest_mode: string('ceil'),
    });
  }
}

/** Scales that only grow (the larger of each and 1) or only shrink (the smaller). */
function limited(draft: Draft, op: 'Max' | 'Min', scales: Value): Value {
  const { constant } = scales;
  if (constant === undefined) return draft.prepend(op, [scales, draft.constant(`${op}.one`, ONE)]);
  const limit = op === 'Max' ? Math.max : Math.min;
  const values = numbersOf(constant).map((scale) => limit(scale, 1));
  return draft.constant(op, constantOf('float32', [values.length], values));
}

function upsample(draft: Draft): void {
  const scales = draft.read.floats('scales');
  delete draft.attributes.scales;
  if (scales) draft.setInput(1, draft.constant('scales', constantOf('float32', [scales.length], scales)));
  asResize(draft);
}

/** Opset 11 demanded `roi` and `scales` even where they are not used: exporters passed empty tensors. */
function dropEmptyInputs(draft: Draft): void {
  draft.inputs = draft.inputs.map((value) =>
    value?.constant && byteLengthOf(value.constant) === 0 ? undefined : value,
  );
}

/** Opset 13 dropped the places of TensorFlow's nearest neighbours, (o + ½)/scale: half an element beyond `half_pixel`. */
const TENSORFLOW_NEAREST: Readonly<Record<string, string>> = { floor: 'round_prefer_ceil', round_prefer_floor: 'ceil' };

function tensorFlowNearest(draft: Draft): void {
  if (draft.read.string('coordinate_transformation_mode', '') !== 'tf_half_pixel_for_nn') return;
  const rounding = draft.read.string('nearest_mode', 'round_prefer_floor');
  const counterpart = TENSORFLOW_NEAREST[rounding];
  if (counterpart === undefined || draft.read.string('mode', 'nearest') !== 'nearest') {
    throw new GlobalPercError(
      `${draft.where}: tf_half_pixel_for_nn with '${rounding}' has no counterpart in newer opsets`,
      { code: 'unsupported-operator' },
    );
  }
  draft.attributes.coordinate_transformation_mode = string('half_pixel');
  draft.attributes.nearest_mode = string(counterpart);
}

function scatter(draft: Draft): void {
  draft.op = 'ScatterElements';
}

function slice(draft: Draft): void {
  draft.moveInts('starts', 1);
  draft.moveInts('ends', 2);
  draft.moveInts('axes', 3);
}

function countOutputs(draft: Draft): void {
  if (draft.inputs[1] === undefined) draft.attributes.num_outputs = int(draft.outputs.length);
}

function topK(draft: Draft): void {
  draft.setInput(1, draft.ints('k', [draft.read.int('k', 1)]));
  delete draft.attributes.k;
}
