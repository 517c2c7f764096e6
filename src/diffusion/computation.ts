/** Modules on data: encoders, decoders, U-Nets outside of a training step. */
import { type Draft, Runner } from '../compile/index.js';
import { GlobalPercError, kindOf, type Tensor } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import { type AnyModule, constantOfHeld, Module, Parameter, Trace } from '../nn/index.js';
import { createGraph } from '../ops/index.js';
import { anything, type Checks, callback, checkOptions, instanceOf, recordOf } from '../options/index.js';
import { type HostTensor, runSteps, type SessionOptions } from '../runtime/index.js';
import type { Latents } from './schedulers/index.js';

/** Options of Computation. */
export interface ComputationOptions {
  /** A module whose weights that train are read at every run, where those of all others are constants. */
  readonly module?: AnyModule;
  /** Passed on to ONNX Runtime. */
  readonly session?: SessionOptions;
}

const checks: Checks<ComputationOptions> = {
  module: instanceOf(Module, 'an nn.Module'),
  session: recordOf(anything, 'an object of options of ONNX Runtime'),
};

/** The weights that a program reads, by the names of its inputs. */
type Weights = ReadonlyMap<string, Parameter>;

/**
 * A function of symbolic tensors that is run on data, compiled once for each shape: `new Computation((x) => vae.decode(x))`. Modules that
 * it calls are in evaluation mode.
 */
export class Computation implements AsyncDisposable {
  private readonly compute: (...inputs: Tensor[]) => Tensor;
  private readonly module: AnyModule | undefined;
  private readonly runner: Runner<Weights>;

  /** @throws GlobalPercError for what is no function, and on an option that is not known. */
  constructor(compute: (...inputs: Tensor[]) => Tensor, options: ComputationOptions = {}) {
    this.compute = callback(compute, 'Computation: the function');
    const { module, session = {} } = checkOptions(options, checks, 'Computation');
    this.module = module;
    this.runner = new Runner('computation', session);
  }

  /**
   * What the function makes of data: float32, or int64 where the data is a BigInt64Array.
   * @throws GlobalPercError where a tensor is none, or the function refuses its shape.
   */
  run(...given: readonly TensorLike[]): Promise<Latents> {
    return this.runWith(given);
  }

  /** As `run`. @param replaced gives others for weights that train, by their path. */
  runWith(
    given: readonly TensorLike[],
    replaced: (path: string, weight: Parameter) => Float32Array | undefined = () => undefined,
  ): Promise<Latents> {
    const tensors = given.map((tensor, i) => hostTensor(tensor, `Computation: input ${i}`));
    const key = tensors.map(({ dtype, dims }) => `${dtype} ${dims}`).join('; ');
    return this.runner.take(async () => {
      const { session, details } = await runSteps(this.runner.program(key, () => this.draft(tensors), {}));
      const feeds: Record<string, HostTensor> = Object.fromEntries(tensors.map((tensor, i) => [inputName(i), tensor]));
      for (const [path, weight] of details) {
        const data = replaced(path, weight) ?? weight.data;
        feeds[weightName(path)] = { dtype: 'float32', dims: weight.shape, data };
      }
      const { output } = await runSteps(session.run(feeds));
      return { dims: output?.dims ?? [], data: output?.data as Float32Array };
    });
  }

  private draft(tensors: readonly HostTensor[]): Draft<Weights> {
    const graph = createGraph();
    const inputs = tensors.map(({ dtype, dims }, i) => graph.input(inputName(i), dtype, dims));
    const weights = new Map<string, Parameter>();
    const { module } = this;
    if (module) {
      new Trace(graph, module, (path, held) => {
        if (!(held instanceof Parameter && held.requiresGrad)) return graph.constant(constantOfHeld(held), path);
        weights.set(path, held);
        return graph.input(weightName(path), 'float32', held.shape);
      });
    }
    const result: unknown = module ? module.whileEvaluating(() => this.compute(...inputs)) : this.compute(...inputs);
    if (typeof (result as Tensor | undefined)?.graph !== 'object') {
      throw new GlobalPercError(`Computation: the function should give a tensor, got ${kindOf(result)}`, {
        code: 'invalid-argument',
      });
    }
    graph.output('output', result as Tensor);
    return { graph, details: weights, gradients: [] };
  }

  /** Frees its sessions. */
  dispose(): Promise<void> {
    return this.runner.dispose();
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const inputName = (i: number): string => `input:${i}`;
const weightName = (path: string): string => `weight:${path}`;

/** A copy: the caller may put other values in its place before the run. */
function hostTensor(tensor: TensorLike, name: string): HostTensor {
  const checked = toFloat32(tensor, name);
  if (tensor.data instanceof BigInt64Array) return { dtype: 'int64', dims: checked.dims, data: tensor.data.slice() };
  return { ...checked, data: checked.data.slice() };
}
