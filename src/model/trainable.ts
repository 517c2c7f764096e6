/** An imported ONNX model as a module: its weights train, its graph stays as it is. */
import {
  type ConstantData,
  GlobalPercError,
  type Graph,
  neededNodes,
  Recent,
  type Shape,
  type Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { type ModuleCall, type Weight, weightsOf } from '../modules/index.js';
import {
  type AnyModule,
  type Buffer,
  constantOfHeld,
  LORA_A,
  LORA_B,
  type LoraHost,
  type LoraLayer,
  type LoraSite,
  Module,
  Parameter,
  Trace,
  type TracedCall,
} from '../nn/index.js';
import { writeOnnx } from '../onnx/index.js';
import { requiredOpset } from '../ops/index.js';
import { type Specialized, specialize, transcribe } from '../passes/index.js';
import { runSteps, type Steps } from '../runtime/index.js';
import { describeInput, fitsDeclared } from './inputs.js';
import { insertAdapter, productsWith } from './lora.js';
import type { Model } from './model.js';
import { separateValues, withValues } from './own-values.js';
import { aboutReplacements, isReplaced, replaceCalls, requireReplacements } from './replace.js';

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
export class TrainableModel extends Module<Tensor[]> implements LoraHost {
  readonly model: Model;
  /**
   * Parameters that modules of different paths read as one, with those paths: tied weights. A copy of a layer that has not
   * been trained since looks the same, unless the paths differ in their numbers alone or all elements are equal.
   */
  shared: Readonly<Record<string, readonly string[]>> = {};
  private weights: readonly Weight[];
  private readonly held: ReadonlyMap<Weight, Parameter>;
  /** What reads a weight in this module's own graph reads it from here. */
  private readonly values: ReadonlyMap<Weight, Value>;
  private graph: Graph;
  /** The model's calls in that graph. */
  private calls: readonly ModuleCall[];
  /** The modules that have taken the place of others, by their paths. */
  private readonly replaced = new Map<string, Module>();
  /** The low-rank adapters, by the path of the layer. */
  private readonly adapters = new Map<string, LoraLayer>();
  /** The graph for each of the input shapes that `prepare` saw last. */
  private bodies = new Recent<Specialized>();

  /** Made by `loadModel`. @throws GlobalPercError when the model has no weights. */
  constructor(model: Model) {
    super();
    this.model = model;
    this.weights = weightsOf(model.graph.nodes);
    if (this.weights.length === 0) {
      throw new GlobalPercError(`${model.source}: the model has no weights to train`, { code: 'invalid-model' });
    }
    this.held = new Map(
      this.weights.map((weight) => [weight, Parameter.ofConstant(weight.value.constant as ConstantData)]),
    );
    this.values = separateValues(this.weights);
    const { graph, calls } = withValues(model, this.values);
    [this.graph, this.calls] = [graph, calls];
    this.shared = tiedIn(this.weights);
  }

  /** Its parameters are these module's own besides those of the file that are still read. */
  override replace(path: string, module: Module): this {
    const { source } = this.model;
    const made = replaceCalls({ source, graph: this.graph, calls: this.calls }, path, module);
    [this.graph, this.calls] = [made.graph, made.calls];
    for (const other of this.replaced.keys()) if (isWithin(other, path)) this.replaced.delete(other);
    this.replaced.set(path, module);
    const read = new Set(neededNodes(this.graph.nodes, this.wanted).flatMap(({ inputs }) => inputs));
    this.weights = this.weights.filter((weight) => read.has(this.values.get(weight)));
    this.shared = tiedIn(this.weights);
    this.bodies = new Recent<Specialized>();
    return this;
  }

  override namedChildren(): [string, AnyModule][] {
    return [...this.replaced];
  }

  /** What `forward` computes: the outputs, and what the calls give. */
  private get wanted(): readonly Value[] {
    return [...this.graph.outputs, ...this.calls.map(({ output }) => output)];
  }

  override *namedState(prefix = ''): Generator<[string, Parameter | Buffer]> {
    const under = (name: string): string => (prefix === '' ? name : `${prefix}.${name}`);
    for (const weight of this.weights) yield [under(weight.name), this.held.get(weight) as Parameter];
    for (const [path, { a, b }] of this.adapters) {
      yield [under(`${path}.${LORA_A}`), a];
      yield [under(`${path}.${LORA_B}`), b];
    }
    for (const [path, module] of this.namedChildren()) yield* module.namedState(under(path));
  }

  /** The layers that `nn.lora` can give an adapter: those that multiply by a weight that no other module reads. */
  loraSites(): ReadonlyMap<string, LoraSite> {
    const sites = this.weights.flatMap((weight): [string, LoraSite][] => {
      const [path = '', ...others] = weight.paths;
      const products = productsWith(this.graph, this.values.get(weight) as Value);
      if (path === '' || others.length > 0 || products === undefined) return [];
      const attach = (layer: LoraLayer): void => {
        this.adapters.set(path, layer);
        const read = (x: Tensor) => ({ a: this.read(layer.a, x), b: this.read(layer.b, x) });
        for (const node of products.nodes) insertAdapter(this.graph, node, path, layer, read);
        this.bodies = new Recent<Specialized>();
      };
      return [[path, { weight: this.held.get(weight) as Parameter, transposed: products.transposed, attach }]];
    });
    return new Map(sites);
  }

  /** The inputs without a value: that of the image, then the others as the file has them. */
  private get inputs(): readonly Value[] {
    const { inputs } = this.graph;
    const isImage = ({ name }: Value): boolean => name === this.model.input.name;
    return [...inputs.filter(isImage), ...inputs.filter((input) => !isImage(input))];
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
    if (this.isAsImported) this.model.checkInputShape(shapes[0] as Shape);
    for (const [i, input] of inputs.entries()) requireDeclared(this.model.source, input, shapes[i] as Shape);
    const types = inputs.map(
      (input, i) => [input, { dtype: input.dtype ?? 'float32', shape: shapes[i] as Shape }] as const,
    );
    this.bodies.set(key, await runSteps(this.specialized(new Map(types))));
  }

  private *specialized(types: ReadonlyMap<Value, TensorType>): Steps<Specialized> {
    try {
      const body = yield* specialize(this.graph, types, this.wanted, {}, this.weightValues);
      yield* requireReplacements(this.graph, new Map(Array.from(types, ([{ name }, type]) => [name, type])));
      return body;
    } catch (error) {
      if (!(error instanceof GlobalPercError) || this.isAsImported) throw error;
      throw new GlobalPercError(error.message + aboutReplacements(this.graph), { code: error.code, cause: error });
    }
  }

  private get weightValues(): readonly Value[] {
    return this.weights.map((weight) => this.values.get(weight) as Value);
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
    const weights = this.weights.map((weight) => {
      const value = body.valueOf(this.values.get(weight) as Value);
      return [value, this.read(this.held.get(weight) as Parameter, x)] as const;
    });
    const first = Trace.of(x.graph, this).calls.length;
    const wanted = this.wanted.map((value) => body.valueOf(value));
    const tensors = transcribe(body.graph, x.graph, new Map([...bound, ...weights]), wanted);
    this.recordCalls(x, tensors.slice(outputs.length), first);
    return tensors.slice(0, outputs.length);
  }

  /** Lets hooks see the modules that were found in the file, in order with those that were called in their place. */
  private recordCalls(x: Tensor, outputs: readonly Tensor[], first: number): void {
    const trace = Trace.of(x.graph, this);
    const own = trace.pathOf(this);
    const found = this.calls.flatMap(({ path, class: className, call, leaf, nodes }, i): TracedCall[] => {
      if (nodes.length === 1 && nodes[0]?.expansion) return [];
      const { value } = outputs[i] as Tensor;
      return [{ path: own === '' ? path : `${own}.${path}`, class: className, call, leaf, output: value, nodes: [] }];
    });
    if (this.isAsImported) {
      trace.calls.push(...found);
      return;
    }
    const places = new Map(x.graph.nodes.map((node, i) => [node, i]));
    const place = ({ output, path }: TracedCall): [number, number] => [
      output.producer ? (places.get(output.producer) as number) : -1,
      -path.split('.').length,
    ];
    const all = [...trace.calls.slice(first), ...found].toSorted((a, b) => {
      const [[nodeA, depthA], [nodeB, depthB]] = [place(a), place(b)];
      return nodeA - nodeB || depthA - depthB;
    });
    trace.calls.splice(first, Number.POSITIVE_INFINITY, ...all);
  }

  /** Whether no module has taken the place of a call. */
  get isAsImported(): boolean {
    return !isReplaced(this.graph);
  }

  /**
   * The file with the present weights: same inputs, outputs and open dimensions.
   * @throws GlobalPercError after `replace`: `toOnnx(model, { input })` writes it for one shape; and with adapters that are not merged.
   */
  toOnnx(): Uint8Array {
    if ([...this.adapters.values()].some(({ merged }) => !merged)) {
      throw new GlobalPercError(
        `${this.model.source}: the file has no place for adapters: call adapters.merge() before`,
        { code: 'invalid-option' },
      );
    }
    if (!this.isAsImported) {
      throw new GlobalPercError(
        `${this.model.source}: '${[...this.replaced.keys()].join("', '")}' was replaced, so the file is written for one shape: toOnnx(model, { input: [1, 3, 224, 224] })`,
        { code: 'invalid-option' },
      );
    }
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

const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}.`);

/** Weights that several modules hold in common, and whose they are. */
const tiedIn = (weights: readonly Weight[]): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(weights.filter(({ paths }) => paths.length > 1).map(({ name, paths }) => [name, paths]));

const keyOf = (shapes: readonly Shape[]): string => shapes.map((shape) => shape.join('x')).join(' ');

function requireDeclared(source: string, input: Value, shape: Shape): void {
  if (fitsDeclared(input, shape)) return;
  throw new GlobalPercError(`${source}: input ${describeInput(input)} got a tensor of shape [${shape}]`, {
    code: 'invalid-argument',
  });
}
