/** What an optimiser is: a rule that takes a parameter, its gradient and its state to the next ones, as a graph. */
import { GlobalPercError, listed, type Tensor } from '../graph/index.js';
import { ConstantLR, type LRScheduler } from './schedule.js';

/** Options all optimisers take. */
export interface OptimizerOptions {
  /** Learning rate. */
  readonly lr: number;
  /** Decay of the weights per step, as the optimiser defines it. */
  readonly weightDecay: number;
}

/** Parameters, chosen by their path, with options of their own. */
export type ParameterGroup<Options> = { readonly parameters: RegExp } & Partial<Options>;

/** What the constructor of every optimiser takes beside its own options. */
export interface CommonOptions<Options> {
  /** Default: a constant rate. */
  readonly schedule?: LRScheduler;
  /** The first group that matches a parameter's path holds for it; the optimiser's own options hold for the rest. */
  readonly groups?: readonly ParameterGroup<Options>[];
}

/** One parameter at one step. */
export interface Update<Options> {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  /** By the names in `stateNames`; zeros at the first step. */
  readonly state: Readonly<Record<string, Tensor>>;
  /** Optimiser steps with this one, from 1; float64 scalar. */
  readonly step: Tensor;
  /** Learning rate of this step; float64 scalar. */
  readonly lr: Tensor;
  readonly options: Options;
}

/** What an update gives back. */
export interface Updated {
  readonly parameter: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
}

/** The options of the group a parameter belongs to. */
export interface ParameterOptions<Options> {
  readonly options: Options;
  readonly lr: Tensor;
}

export abstract class Optimizer<Options extends OptimizerOptions = OptimizerOptions> {
  readonly options: Options;
  readonly schedule: LRScheduler;
  readonly groups: readonly ParameterGroup<Options>[];
  /** PyTorch's names of what is kept for each parameter, in its shape. */
  abstract readonly stateNames: readonly string[];

  /** @throws GlobalPercError when a learning rate or weight decay is negative or not finite. */
  protected constructor(options: Options, { schedule = new ConstantLR(), groups = [] }: CommonOptions<Options>) {
    this.options = options;
    this.schedule = schedule;
    this.groups = groups;
    for (const group of [options, ...groups]) {
      notNegative(group.lr ?? 0, `${this.constructor.name}: lr`);
      notNegative(group.weightDecay ?? 0, `${this.constructor.name}: weightDecay`);
    }
  }

  /** The rule. */
  abstract update(context: Update<Options>): Updated;

  /** Options and rate of the parameter at `path`. @param taken optimiser steps before this one, float64 scalar. */
  optionsFor(path: string, taken: Tensor): ParameterOptions<Options> {
    const group = this.groups.find(({ parameters }) => path.search(parameters) >= 0);
    const options = { ...this.options, ...group };
    return { options, lr: this.schedule.rate(options.lr, taken) };
  }

  /** @throws GlobalPercError when a group matches none of the paths. */
  checkGroups(paths: readonly string[]): void {
    const idle = this.groups.find(({ parameters }) => !paths.some((path) => path.search(parameters) >= 0));
    if (idle === undefined) return;
    throw new GlobalPercError(
      `${this.constructor.name}: the group ${idle.parameters} matches no trainable parameter; there are ${listed(paths)}`,
    );
  }
}

/** @throws GlobalPercError when the value is negative or not finite. */
export function notNegative(value: number, what: string): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new GlobalPercError(`${what} should be a number from 0 on, got ${value}`);
}
