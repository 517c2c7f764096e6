/** An imported ONNX model as a module: its weights train, its graph stays as it is. */
import { GlobalPercError, type Shape, type Tensor, type Value } from '../graph/index.js';
import { weightsOf } from '../modules/index.js';
import { constantOfHeld, Module, Parameter, Trace } from '../nn/index.js';
import { writeOnnx } from '../onnx/index.js';
import { requiredOpset } from '../ops/index.js';
import { type Specialized, specialize, transcribe } from '../passes/index.js';
import { runSteps } from '../runtime/index.js';
import type { Model } from './model.js';

/**
 * A model read with `loadModel(source, { trainable: true })`. Its parameters are the file's float32 weights of one
 * dimension or more, under the names they have there; normalisation by running statistics stays as it was exported.
 */
export class TrainableModel extends Module<Tensor[]> {
  readonly model: Model;
  private readonly weights: ReadonlyMap<Value, Parameter>;
  /** The graph for each input shape seen by `prepare`. */
  private readonly bodies = new Map<string, Specialized>();

  /** Made by `loadModel`. @throws GlobalPercError when the model has no weights, or an input without value. */
  constructor(model: Model) {
    super();
    const [open] = model.openInputs;
    if (open) {
      throw new GlobalPercError(
        `${model.source}: input '${open.name}' needs a value to train the model: loadModel(source, { trainable: true, inputs: { … } })`,
      );
    }
    this.model = model;
    this.weights = new Map(Array.from(weightsOf(model.graph.nodes), (value) => [value, parameterOf(value)]));
    if (this.weights.size === 0) throw new GlobalPercError(`${model.source}: the model has no weights to train`);
  }

  override *namedState(prefix = ''): Generator<[string, Parameter]> {
    for (const [{ name }, parameter] of this.weights) yield [prefix === '' ? name : `${prefix}.${name}`, parameter];
  }

  /** Runs the model once to learn its shapes. @throws GlobalPercError when it does not accept inputs of this shape. */
  override async prepare(shape: Shape): Promise<void> {
    const key = shape.join('x');
    if (this.bodies.has(key)) return;
    const { graph, input, calls } = this.model;
    this.model.checkInputShape(shape);
    const wanted = [...graph.outputs, ...calls.map((call) => call.output)];
    const type = { dtype: 'float32', shape } as const;
    const body = specialize(graph, new Map([[input, type]]), wanted, {}, [...this.weights.keys()]);
    this.bodies.set(key, await runSteps(body));
  }

  /** @throws GlobalPercError for a shape that `prepare` has not seen. */
  override forward(x: Tensor): Tensor[] {
    const body = this.bodies.get(x.shape.join('x'));
    if (body === undefined) {
      throw new GlobalPercError(
        `${this.model.source}: call await model.prepare([${x.shape}]) before it is used inside another module`,
      );
    }
    const { graph, input } = this.model;
    const { outputs } = graph;
    const weights = Array.from(
      this.weights,
      ([value, parameter]) => [body.valueOf(value), this.read(parameter, x)] as const,
    );
    const wanted = [...outputs, ...this.model.calls.map((call) => call.output)].map((value) => body.valueOf(value));
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
    for (const [value, parameter] of this.weights) value.constant = constantOfHeld(parameter);
    const { graph } = this.model;
    return writeOnnx(graph, { opset: requiredOpset(graph) }).model;
  }
}

function parameterOf({ constant, shape }: Value): Parameter {
  const bytes = Uint8Array.from(constant?.bytes ?? []);
  return new Parameter(shape ?? [], new Float32Array(bytes.buffer));
}
