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
import { type Checks, checkOptions, instanceOf, oneOf, shape as shapeCheck, string } from '../options/index.js';
import { tidy } from '../passes/index.js';
import { platform } from '../runtime/index.js';

/** Options of `toOnnx` and `exportOnnx`. */
export interface ExportOptions {
  /** Shape of the input, e.g. `[1, 3, 128, 128]`. Default: the batch the student is trained on. */
  readonly input?: Shape;
  readonly dtype?: 'float32' | 'int64';
}

const EXPORT: Checks<ExportOptions> = { input: shapeCheck('[1, 3, 128, 128]'), dtype: oneOf('float32', 'int64') };

const isStudent = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');

/** What varies together when a dimension is tested for being open. */
const AXES: readonly { readonly axes: readonly number[]; readonly names: readonly string[] }[] = [
  { axes: [0], names: ['batch'] },
  { axes: [2, 3], names: ['height', 'width'] },
];

/**
 * Writes a student as ONNX: evaluation mode, standard operators, input `input`, output `output`, further ones `output_1`
 * and so on; modules keep their names and classes, so that the file can be hooked. Batch and image size are open where the
 * student's graph does not depend on them. An imported model keeps its own inputs, outputs and open dimensions.
 * @throws GlobalPercError when it is no module, the input's shape is neither given nor known from a trainer, or an option
 * is unknown.
 */
export async function toOnnx(student: AnyModule, given: ExportOptions = {}): Promise<Uint8Array> {
  isStudent(student, 'toOnnx: student');
  const options = checkOptions(given, EXPORT, 'toOnnx');
  await student.synchronize();
  if (student instanceof TrainableModel) return student.toOnnx();
  const shape = options.input ?? student.trainedOn?.shape;
  if (shape === undefined) {
    throw new GlobalPercError('toOnnx: tell the shape of the input, e.g. { input: [1, 3, 128, 128] }', {
      code: 'invalid-option',
    });
  }
  const type: TensorType = { dtype: options.dtype ?? student.trainedOn?.dtype ?? 'float32', shape };
  const graph = traced(student, type);
  openDimensions(graph, student, type);
  return writeOnnx(graph, { opset: requiredOpset(graph) }).model;
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
function traced(student: AnyModule, { dtype, shape }: TensorType): Graph {
  const graph = createGraph();
  const input = graph.input('input', dtype, shape);
  const trace = new Trace(graph, student);
  const outputs = [student.whileEvaluating(() => student(input))].flat();
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
function openDimensions(graph: Graph, student: AnyModule, { dtype, shape }: TensorType): void {
  const input = graph.inputs[0] as Value;
  const declaredInput: (number | string)[] = [...shape];
  const declaredOutputs = graph.outputs.map((output): (number | string)[] => [...(output.shape ?? [])]);
  for (const { axes, names } of AXES) {
    if (axes.some((axis) => axis >= shape.length)) continue;
    const varied = shape.map((dim, axis) => (axes.includes(axis) ? 2 * dim : dim));
    const other = tracedIfPossible(student, { dtype, shape: varied });
    if (other === undefined || !sameComputation(graph, other)) continue;
    axes.forEach((axis, i) => {
      declaredInput[axis] = names[i] as string;
    });
    for (const [i, output] of graph.outputs.entries()) {
      const varies = other.outputs[i]?.shape ?? [];
      varies.forEach((dim, axis) => {
        if (dim === output.shape?.[axis]) return;
        const same = shape[axis] === output.shape?.[axis] && axes.indexOf(axis);
        (declaredOutputs[i] as (number | string)[])[axis] =
          typeof same === 'number' && same >= 0 ? (names[same] as string) : '?';
      });
    }
  }
  input.declaredShape = declaredInput;
  for (const [i, output] of graph.outputs.entries()) output.declaredShape = declaredOutputs[i] as (number | string)[];
}

function tracedIfPossible(student: AnyModule, type: TensorType): Graph | undefined {
  try {
    return traced(student, type);
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
