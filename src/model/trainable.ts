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
import { describeInput, fitsDeclared } from './inputs.js';
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

  /** Made by `loadModel`. @throws GlobalPercError when the model has no weights. */
  constructor(model: Model) {
    super();
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

  /** The inputs without a value: that of the image, then the others as the file has them. */
  private get inputs(): readonly Value[] {
    return [this.model.input, ...this.model.openInputs];
  }

  /** Names of the inputs in the order in which `forward` takes them: that of the image first. */
  override get inputNames(): readonly string[] {
    return this.inputs.map(({ name }) => name);
  }

  /**
   * Makes the model static for shapes of its inputs, in the order of `inputNames`.
   * @throws GlobalPercError when it does not accept inputs of these shapes.
   */
  override async prepare(...shapes: readonly Shape[]): Promise<void> {
    const { inputs } = this;
    this.requireAll(shapes);
    const key = keyOf(shapes);
    if (this.bodies.get(key)) return;
    this.model.checkInputShape(shapes[0] as Shape);
    for (const [i, input] of inputs.entries()) requireDeclared(this.model.source, input, shapes[i] as Shape);
    const wanted = [...this.graph.outputs, ...this.callOutputs];
    const types = inputs.map(
      (input, i) => [input, { dtype: input.dtype ?? 'float32', shape: shapes[i] as Shape }] as const,
    );
    const body = specialize(this.graph, new Map(types), wanted, {}, [...this.values.values()]);
    this.bodies.set(key, await runSteps(body));
  }

  /** @throws GlobalPercError unless there is something for each input. */
  private requireAll(given: readonly unknown[]): void {
    const names = this.inputNames;
    if (given.length === names.length) return;
    throw new GlobalPercError(
      `${this.model.source}: the model has the inputs ${names.join(', ')}, got ${given.length} of ${names.length}: give all of them, in this ` +
        'order, or values to some in loadModel(source, { trainable: true, inputs: { … } })',
      { code: 'invalid-argument' },
    );
  }

  /**
   * The outputs of the file, in its order, for a tensor for each of `inputNames`; one of floats where integers are wanted is cast.
   * @throws GlobalPercError for shapes that `prepare` has not seen.
   */
  override forward(...given: Tensor[]): Tensor[] {
    this.requireAll(given);
    const [x] = given as [Tensor];
    const body = this.bodies.get(keyOf(given.map(({ shape }) => shape)));
    if (body === undefined) {
      throw new GlobalPercError(
        `${this.model.source}: call await model.prepare(${given.map(({ shape }) => `[${shape}]`).join(', ')}) before it is used inside another module`,
        { code: 'invalid-argument' },
      );
    }
    const { outputs } = this.graph;
    const bound = this.inputs.map((input, i) => {
      const tensor = given[i] as Tensor;
      return [
        body.valueOf(input),
        tensor.dtype === input.dtype ? tensor : tensor.cast(input.dtype ?? 'float32'),
      ] as const;
    });
    const weights = Array.from(
      this.values,
      ([weight, value]) => [body.valueOf(value), this.read(this.held.get(weight) as Parameter, x)] as const,
    );
    const wanted = [...outputs, ...this.callOutputs].map((value) => body.valueOf(value));
    const tensors = transcribe(body.graph, x.graph, new Map([...bound, ...weights]), wanted);
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

const keyOf = (shapes: readonly Shape[]): string => shapes.map((shape) => shape.join('x')).join(' ');

function requireDeclared(source: string, input: Value, shape: Shape): void {
  if (fitsDeclared(input, shape)) return;
  throw new GlobalPercError(`${source}: input ${describeInput(input)} got a tensor of shape [${shape}]`, {
    code: 'invalid-argument',
  });
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
