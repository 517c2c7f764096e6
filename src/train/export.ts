/** A trained student as a plain inference model. */
import {
  type ConstantData,
  GlobalPercError,
  type Graph,
  type Node,
  type Shape,
  sameShape,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { TrainableModel } from '../model/index.js';
import { type AnyModule, Module, Trace } from '../nn/index.js';
import { writeOnnx } from '../onnx/index.js';
import { createGraph, requiredOpset } from '../ops/index.js';
import { type Checks, checkOptions, instanceOf, shape as shapeCheck, string } from '../options/index.js';
import { tidy } from '../passes/index.js';
import { platform } from '../runtime/index.js';
import { DTYPE, type InputType, StudentInputs, TYPES } from './inputs.js';

/** Options of `toOnnx` and `exportOnnx`. */
export interface ExportOptions {
  /** Shape of the input, e.g. `[1, 3, 128, 128]`. Default: what the student is trained on. */
  readonly input?: Shape;
  readonly dtype?: 'float32' | 'int64';
  /** In place of `input`, for a student of several: shapes or types by name, as the Trainer takes them. */
  readonly inputs?: Readonly<Record<string, InputType>>;
}

const EXPORT: Checks<Omit<ExportOptions, 'inputs'> & { readonly inputs?: Readonly<Record<string, TensorType>> }> = {
  input: shapeCheck('[1, 3, 128, 128]'),
  dtype: DTYPE,
  inputs: TYPES,
};

const isStudent = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');

type InputTypes = StudentInputs['types'];

/** What varies together when a dimension is tested for being open. */
const AXES: readonly { readonly axes: readonly number[]; readonly names: readonly string[] }[] = [
  { axes: [0], names: ['batch'] },
  { axes: [2, 3], names: ['height', 'width'] },
];

/**
 * Writes a student as ONNX: evaluation mode, standard operators, input `input` or those it is trained on by name, output `output`, further ones `output_1`
 * and so on; modules keep their names and classes, so that the file can be hooked. Batch and size of the first input are open where the
 * student's graph does not depend on them. An imported model keeps its own inputs, outputs and open dimensions.
 * @throws GlobalPercError when it is no module, the input's shape is neither given nor known from a trainer, or an option
 * is unknown.
 */
export async function toOnnx(student: AnyModule, given: ExportOptions = {}): Promise<Uint8Array> {
  isStudent(student, 'toOnnx: student');
  const options = checkOptions(given, EXPORT, 'toOnnx');
  await student.synchronize();
  if (student instanceof TrainableModel && student.isAsImported) return student.toOnnx();
  const types = inputsOf(student, options);
  const graph = await traced(student, types);
  await openDimensions(graph, student, types);
  return writeOnnx(graph, { opset: requiredOpset(graph) }).model;
}

/** What the student is traced with. @throws GlobalPercError when it is neither told nor known. */
function inputsOf(
  student: AnyModule,
  { input, dtype, inputs }: Pick<ExportOptions, 'input' | 'dtype'> & { inputs?: Readonly<Record<string, TensorType>> },
): InputTypes {
  if (inputs) return StudentInputs.named(inputs, student, 'toOnnx: inputs').types;
  const known = student.trainedOn;
  if (known && !input) return known;
  const [first] = known?.values() ?? [];
  if (input) return StudentInputs.only({ dtype: dtype ?? first?.dtype ?? 'float32', shape: input }).types;
  throw new GlobalPercError(
    'toOnnx: tell the shape of the input, e.g. { input: [1, 3, 128, 128] }, or of several by name, { inputs: { … } }',
    { code: 'invalid-option' },
  );
}

/**
 * Writes `toOnnx` to a file, whole or not at all. Node only.
 * @throws GlobalPercError as `toOnnx`, and when the file cannot be written, or is one that the student was read from.
 */
export async function exportOnnx(student: AnyModule, path: string, options: ExportOptions = {}): Promise<void> {
  string(path, 'exportOnnx: path');
  isStudent(student, 'exportOnnx: student');
  await platform.refuseOverwriting([path], filesOf(student));
  await platform.writeBytes(path, await toOnnx(student, options));
}

/** Files that a student, or a part of it, was read from. */
export const filesOf = (student: AnyModule): string[] =>
  Array.from(student.namedModules(), ([, module]) => module).flatMap((module) =>
    module instanceof TrainableModel ? module.model.files : [],
  );

/** The student's graph in evaluation mode, its weights being constants. */
async function traced(student: AnyModule, types: InputTypes): Promise<Graph> {
  await student.prepare(...Array.from(types.values(), ({ shape }) => shape));
  const graph = createGraph();
  const inputs = Array.from(types, ([name, { dtype, shape }]) => graph.input(name, dtype, shape));
  const trace = new Trace(graph, student);
  const outputs = [student.whileEvaluating(() => student(...inputs))].flat();
  for (const [i, output] of outputs.entries()) graph.output(i === 0 ? 'output' : `output_${i}`, output);
  const simplified = tidy(graph);
  const classes = new Map(trace.calls.map((call) => [call.path, call.class]));
  for (const node of simplified.nodes) node.metadata = scopesOf(node.modulePath ?? '', classes);
  return simplified;
}

/** Module paths and classes around a node, as torch.onnx's dynamo exporter writes them. */
function scopesOf(path: string, classes: ReadonlyMap<string, string>): Record<string, string> {
  const parts = path === '' ? [] : path.split('.');
  const prefixes = parts.map((_, i) => parts.slice(0, i + 1).join('.')).filter((prefix) => classes.has(prefix));
  const names = ['', ...prefixes, 'forward'];
  const qualified = [
    classes.get('') ?? 'Module',
    ...prefixes.map((prefix) => classes.get(prefix) as string),
    'forward',
  ];
  const list = (items: readonly string[]): string => `[${items.map((item) => `'${item}'`).join(', ')}]`;
  return { 'pkg.torch.onnx.name_scopes': list(names), 'pkg.torch.onnx.class_hierarchy': list(qualified) };
}

/** Declares dimensions open under which the graph would be the same. */
async function openDimensions(graph: Graph, student: AnyModule, types: InputTypes): Promise<void> {
  const shapes = Array.from(types.values(), ({ shape }) => shape);
  const declaredInputs = shapes.map((shape): (number | string)[] => [...shape]);
  const [shape = []] = shapes;
  const declaredOutputs = graph.outputs.map((output): (number | string)[] => [...(output.shape ?? [])]);
  for (const { axes, names } of AXES) {
    // The batch is that of all inputs, the size of an image the first one's.
    const varies = shapes.map(({ length }, i) => axes.every((axis) => axis < length && (axis === 0 || i === 0)));
    const varied = Array.from(types, ([name, { dtype, shape }], i) => {
      const doubled = shape.map((dim, axis) => (varies[i] && axes.includes(axis) ? 2 * dim : dim));
      return [name, { dtype, shape: doubled }] as const;
    });
    const other = varies.some(Boolean) ? await tracedIfPossible(student, new Map(varied)) : undefined;
    if (other === undefined || !sameComputation(graph, other)) continue;
    for (const [input, declared] of declaredInputs.entries()) {
      if (!varies[input]) continue;
      axes.forEach((axis, i) => {
        declared[axis] = names[i] as string;
      });
    }
    for (const [i, output] of graph.outputs.entries()) {
      const shapeThere = other.outputs[i]?.shape ?? [];
      shapeThere.forEach((dim, axis) => {
        if (dim === output.shape?.[axis]) return;
        const same = shape[axis] === output.shape?.[axis] && axes.indexOf(axis);
        (declaredOutputs[i] as (number | string)[])[axis] =
          typeof same === 'number' && same >= 0 ? (names[same] as string) : '?';
      });
    }
  }
  for (const [i, declared] of declaredInputs.entries()) (graph.inputs[i] as Value).declaredShape = declared;
  for (const [i, output] of graph.outputs.entries()) output.declaredShape = declaredOutputs[i] as (number | string)[];
}

async function tracedIfPossible(student: AnyModule, types: InputTypes): Promise<Graph | undefined> {
  try {
    return await traced(student, types);
  } catch (error) {
    if (error instanceof GlobalPercError) return undefined;
    throw error;
  }
}

/** True when two graphs hold the same nodes in the same order, on the same constants. */
function sameComputation(a: Graph, b: Graph): boolean {
  const counterparts = new Map<Value, Value | undefined>(a.inputs.map((value, i) => [value, b.inputs[i]]));
  const match = (x: Value | undefined, y: Value | undefined): boolean =>
    x?.constant && y?.constant ? sameConstant(x.constant, y.constant) : (x && counterparts.get(x)) === y;
  return (
    a.nodes.length === b.nodes.length &&
    a.nodes.every((node, i) => {
      const other = b.nodes[i] as Node;
      node.outputs.forEach((output, j) => {
        if (output) counterparts.set(output, other.outputs[j]);
      });
      const sameInputs =
        node.inputs.length === other.inputs.length && node.inputs.every((x, j) => match(x, other.inputs[j]));
      return node.op === other.op && sameInputs && JSON.stringify(node.attributes) === JSON.stringify(other.attributes);
    })
  );
}

const sameConstant = (a: ConstantData, b: ConstantData): boolean =>
  sameShape(a.shape, b.shape) && (a.bytes.buffer === b.bytes.buffer || a.bytes.every((byte, i) => byte === b.bytes[i]));
