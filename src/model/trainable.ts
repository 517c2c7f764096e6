/** An imported ONNX model as a module: its weights train, its graph stays as it is. */
import {
  copyNodes,
  GlobalPercError,
  type Graph,
  GraphBuilder,
  type Node,
  neededNodes,
  Recent,
  type Shape,
  type Tensor,
  type Value,
} from '../graph/index.js';
import { hasBody, type Weight, weightsOf } from '../modules/index.js';
import { constantOfHeld, Module, Parameter, Trace } from '../nn/index.js';
import { writeOnnx } from '../onnx/index.js';
import { requiredOpset } from '../ops/index.js';
import { type Specialized, specialize, transcribe } from '../passes/index.js';
import { runSteps } from '../runtime/index.js';
import type { Model } from './model.js';

/**
 * A model read with `loadModel(source, { trainable: true })`. Its parameters are the file's float32 weights of one
 * dimension or more; normalisation by running statistics stays as it was exported, and so do the ones and zeros of a
 * normalisation that has no weights.
 *
 * A parameter has the name it has in PyTorch where the file gives it or the path of its module tells it: `conv.weight`;
 * the weight of a product that is stored transposed is `fc.weight.T`. Each module has parameters of its own, also where the
 * exporter stored equal ones once; `shared` lists those that several modules hold in common.
 *
 * The loaded `model` is never changed: others made of it, and teachers, keep its weights.
 */
export class TrainableModel extends Module<Tensor[]> {
  readonly model: Model;
  /**
   * Parameters that modules of different paths read as one, with those paths: tied weights. A copy of a layer that has not
   * been trained since looks the same, unless the paths differ in their numbers alone or all elements are equal.
   */
  readonly shared: Readonly<Record<string, readonly string[]>>;
  private readonly weights: readonly Weight[];
  private readonly held: ReadonlyMap<Weight, Parameter>;
  /** What reads a weight in this module's own graph reads it from here. */
  private readonly values: ReadonlyMap<Weight, Value>;
  private readonly graph: Graph;
  /** What the model's calls give in that graph. */
  private readonly callOutputs: readonly Value[];
  /** The graph for each of the input shapes that `prepare` saw last. */
  private readonly bodies = new Recent<Specialized>();

  /** Made by `loadModel`. @throws GlobalPercError when the model has no weights, or an input without value. */
  constructor(model: Model) {
    super();
    const [open] = model.openInputs;
    if (open) {
      throw new GlobalPercError(
        `${model.source}: input '${open.name}' needs a value to train the model: loadModel(source, { trainable: true, inputs: { … } })`,
        { code: 'invalid-option' },
      );
    }
    this.model = model;
    this.weights = weightsOf(model.graph.nodes);
    if (this.weights.length === 0) {
      throw new GlobalPercError(`${model.source}: the model has no weights to train`, { code: 'invalid-model' });
    }
    this.held = new Map(this.weights.map((weight) => [weight, parameterOf(weight)]));
    this.values = separateValues(this.weights);
    const { graph, calls } = withValues(model, this.values);
    [this.graph, this.callOutputs] = [graph, calls];
    const tied = this.weights.filter(({ paths }) => paths.length > 1);
    this.shared = Object.fromEntries(tied.map(({ name, paths }) => [name, paths]));
  }

  override *namedState(prefix = ''): Generator<[string, Parameter]> {
    for (const [{ name }, parameter] of this.held) yield [prefix === '' ? name : `${prefix}.${name}`, parameter];
  }

  /** Makes the model static for a shape of its input. @throws GlobalPercError when it does not accept inputs of this shape. */
  override async prepare(shape: Shape): Promise<void> {
    const key = shape.join('x');
    if (this.bodies.get(key)) return;
    const { input } = this.model;
    this.model.checkInputShape(shape);
    const wanted = [...this.graph.outputs, ...this.callOutputs];
    const type = { dtype: 'float32', shape } as const;
    const body = specialize(this.graph, new Map([[input, type]]), wanted, {}, [...this.values.values()]);
    this.bodies.set(key, await runSteps(body));
  }

  /** The outputs of the file, in its order. @throws GlobalPercError for a shape that `prepare` has not seen. */
  override forward(x: Tensor): Tensor[] {
    const body = this.bodies.get(x.shape.join('x'));
    if (body === undefined) {
      throw new GlobalPercError(
        `${this.model.source}: call await model.prepare([${x.shape}]) before it is used inside another module`,
        { code: 'invalid-argument' },
      );
    }
    const { input } = this.model;
    const { outputs } = this.graph;
    const weights = Array.from(
      this.values,
      ([weight, value]) => [body.valueOf(value), this.read(this.held.get(weight) as Parameter, x)] as const,
    );
    const wanted = [...outputs, ...this.callOutputs].map((value) => body.valueOf(value));
    const tensors = transcribe(body.graph, x.graph, new Map([[body.valueOf(input), x], ...weights]), wanted);
    this.recordCalls(x, tensors.slice(outputs.length));
    return tensors.slice(0, outputs.length);
  }

  /** Lets hooks see the modules that were found in the file. */
  private recordCalls(x: Tensor, outputs: readonly Tensor[]): void {
    const trace = Trace.of(x.graph, this);
    const own = trace.pathOf(this);
    for (const [i, { path, class: className, call, leaf }] of this.model.calls.entries()) {
      const { value } = outputs[i] as Tensor;
      trace.calls.push({
        path: own === '' ? path : `${own}.${path}`,
        class: className,
        call,
        leaf,
        output: value,
        nodes: [],
      });
    }
  }

  /** The file with the present weights: same inputs, outputs and open dimensions. */
  toOnnx(): Uint8Array {
    const present = new Map(
      this.weights.map((weight) => {
        const { constant: _, ...value } = this.values.get(weight) as Value;
        return [weight, { ...value, constant: constantOfHeld(this.held.get(weight) as Parameter) }] as const;
      }),
    );
    const { graph } = withValues(this.model, present);
    return writeOnnx(graph, { opset: requiredOpset(graph) }).model;
  }
}

function parameterOf({ value: { constant } }: Weight): Parameter {
  const bytes = Uint8Array.from(constant?.bytes ?? []);
  return new Parameter(constant?.shape ?? [], new Float32Array(bytes.buffer));
}

/** A value for each weight; of those that the file keeps as one, each but the first under the name its module has for it. */
function separateValues(weights: readonly Weight[]): Map<Weight, Value> {
  const taken = new Set<string>();
  return new Map(
    weights.map((weight) => {
      const { value, alias, name, readers } = weight;
      if (readers.some(hasBody)) return [weight, value] as const;
      const free = [value.name, alias, name].find((candidate) => !taken.has(candidate)) ?? name;
      taken.add(free);
      return [weight, { ...value, name: free }] as const;
    }),
  );
}

/** A copy of a model's graph whose nodes read other values where they read weights, and what its calls give there. */
function withValues(
  { graph, calls }: Model,
  values: ReadonlyMap<Weight, Value>,
): { readonly graph: Graph; readonly calls: readonly Value[] } {
  const places = new Map<unknown, Map<number, Value>>();
  for (const [{ readers }, value] of values) {
    for (const { node, input } of readers) {
      const inputs = places.get(node) ?? new Map<number, Value>();
      places.set(node, inputs.set(input, value));
    }
  }
  const copy = new GraphBuilder();
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  const nodes = copyNodes(graph.nodes, copies);
  for (const [i, node] of graph.nodes.entries())
    for (const [input, value] of places.get(node) ?? []) (nodes[i] as Node).inputs[input] = value;
  copy.inputs = graph.inputs;
  copy.outputs = graph.outputs.map(copyOf);
  const outputs = calls.map(({ output }) => copyOf(output));
  // What gave a weight another name is read no more.
  copy.nodes = neededNodes(nodes, [...copy.outputs, ...outputs]);
  return { graph: copy, calls: outputs };
}
