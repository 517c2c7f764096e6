/** What a training run carries from step to step, by name: weights, buffers, optimiser state, counters. */
import { type ConstantData, type DataType, type Graph, type Shape, sizeOf, type Tensor } from '../graph/index.js';
import { type AnyModule, type Bind, type Buffer, constantOfHeld, Parameter, type StateDict } from '../nn/index.js';
import type { HostTensor } from '../runtime/index.js';

/** Optimiser steps, and steps since the last of them. */
export const STEP = 'step';
export const MICRO_STEP = 'micro_step';
/** Name of the input that holds how often a metric has reduced the rate. */
export const REDUCTIONS = 'reductions';
/** What is carried for a parameter or buffer, by its path in the student. */
export const weightName = (path: string): string => `model:${path}`;
export const averageName = (path: string): string => `ema:${path}`;
export const optimizerName = (kind: string, path: string): string => `optimizer:${kind}:${path}`;
/** How the paths of what the objective owns begin: no field of a student has such a name. */
export const OWNED = 'objective:';
export const accumulatorName = (path: string): string => `accumulated:${path}`;

/** One carried tensor: a graph input, and the output that takes its place in the next step. */
interface Slot {
  readonly tensor: Tensor;
  readonly initial: HostTensor;
  next?: Tensor;
}

/** Prefix of the output that replaces an input. */
const NEXT = 'next:';

/** The carried tensors of one graph under construction. */
export class Carried {
  private readonly slots = new Map<string, Slot>();
  private readonly graph: Graph;

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** Declares a carried tensor. */
  add(name: string, initial: HostTensor): Tensor {
    const tensor = this.graph.input(name, initial.dtype, initial.dims);
    this.slots.set(name, { tensor, initial });
    return tensor;
  }

  /** Declares a carried tensor that starts with zeros. */
  addZeros(name: string, shape: Shape): Tensor {
    return this.add(name, { dtype: 'float32', dims: shape, data: new Float32Array(sizeOf(shape)) });
  }

  /** Declares a counter that starts at 0. */
  addCounter(name: string): Tensor {
    return this.add(name, { dtype: 'int64', dims: [], data: new BigInt64Array(1) });
  }

  /** Sets what a carried tensor is after the step. */
  set(name: string, next: Tensor): void {
    (this.slots.get(name) as Slot).next = next;
  }

  /** What a carried tensor is after the step. */
  next(name: string): Tensor {
    const { next, tensor } = this.slots.get(name) as Slot;
    return next ?? tensor;
  }

  /** Where `apply` is false, the tensors set so far stay as they are. */
  onlyWhere(apply: Tensor): void {
    for (const slot of this.slots.values()) if (slot.next) slot.next = apply.where(slot.next, slot.tensor);
  }

  /** Declares the outputs. @returns output names by the name of what they replace. */
  finish(): ReadonlyMap<string, string> {
    const outputs = new Map<string, string>();
    for (const [name, { next }] of this.slots) {
      if (next === undefined) continue;
      this.graph.output(NEXT + name, next);
      outputs.set(name, NEXT + name);
    }
    return outputs;
  }

  /** What every carried tensor starts with. */
  initial(): Map<string, HostTensor> {
    return new Map(Array.from(this.slots, ([name, { initial }]) => [name, initial]));
  }
}

/** A tensor as a module holds it, for the runtime. */
export const hostTensor = (held: {
  readonly dtype: DataType;
  readonly shape: Shape;
  readonly data: Float32Array | BigInt64Array;
}): HostTensor => ({ dtype: held.dtype, dims: held.shape, data: held.data });

type Held = Parameter | Buffer;

/**
 * Which weights of a student and of what its objective owns a trainer carries: those that train when it is made, and the buffers. The others are
 * constants of its graphs, with the values they have then.
 */
export class TrainedWeights {
  /** What the objective owns, once its first graph is written. */
  owned: AnyModule | undefined;
  private readonly carried = new Set<Held>();
  private readonly frozen = new Map<Held, ConstantData>();

  /** All that there is, by path. */
  *named(student: AnyModule): Generator<[string, Held]> {
    yield* student.namedState();
    for (const [path, held] of this.owned?.namedState() ?? []) yield [OWNED + path, held];
  }

  /** Whether its value is carried from step to step. */
  carries(held: Held): boolean {
    return this.carried.has(held);
  }

  /** The state of a module as far as steps change it. */
  trained(module: AnyModule): StateDict {
    const carried = Array.from(module.namedState()).filter(([, held]) => this.carries(held));
    return Object.fromEntries(carried.map(([path, { dtype, shape, data }]) => [path, { dtype, dims: shape, data }]));
  }

  /** Weights of a graph. @param training whether it is the step, which decides; @param seen gets each that is carried. */
  bind(carried: Carried, training: boolean, seen: (path: string, held: Held, tensor: Tensor) => void = () => {}): Bind {
    return (path, held, graph) => {
      if (training && !(held instanceof Parameter && !held.requiresGrad)) this.carried.add(held);
      if (!this.carried.has(held)) return graph.constant(this.constant(held), path);
      const tensor = carried.add(weightName(path), hostTensor(held));
      seen(path, held, tensor);
      return tensor;
    };
  }

  private constant(held: Held): ConstantData {
    const constant = this.frozen.get(held) ?? constantOfHeld(held);
    this.frozen.set(held, constant);
    return constant;
  }
}
