/** What an optimiser is: a rule that takes a parameter, its gradient and its state to the next ones, as a graph. */
import { GlobalPercError, listed, type Shape, type Tensor } from '../graph/index.js';
import { type Check, type Checks, checkOptions, listOf, number, regExp, required } from '../options/index.js';
import { ConstantLR, isScheduler, type LRScheduler } from './schedule.js';

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
  /** By the names in `stateShapes`; zeros at the first step. */
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

/** Checks of the options that all optimisers take. */
export const COMMON: Checks<OptimizerOptions> = { lr: number({ least: 0 }), weightDecay: number({ least: 0 }) };

/** Checks of all that an optimiser's constructor takes. @param own of its own options. @param schedule of the schedule. */
export function withCommon<Options>(
  own: Checks<Options>,
  schedule: Check<LRScheduler> = isScheduler,
): Checks<Partial<Options> & CommonOptions<Options>> {
  const group = { ...own, parameters: required(regExp) } as unknown as Checks<ParameterGroup<Options>>;
  const groups = listOf((value, where) => checkOptions(value, group, where));
  return { ...own, schedule, groups } as Checks<Partial<Options> & CommonOptions<Options>>;
}

/** What a constructor hands to `super`: its options, complete, and what is common to all. Throws as `checkOptions` does. */
export function withDefaults<Options>(
  given: Partial<Options> & CommonOptions<Options>,
  own: Checks<Options>,
  defaults: Options,
  name: string,
): [Options, CommonOptions<Options>] {
  const { schedule, groups, ...options } = checkOptions(given, withCommon(own), name);
  return [
    { ...defaults, ...options },
    { ...(schedule && { schedule }), ...(groups && { groups }) },
  ];
}

/** g + λθ: weight decay as a part of the gradient. */
export const withDecay = (gradient: Tensor, parameter: Tensor, weightDecay: number): Tensor =>
  weightDecay === 0 ? gradient : gradient.add(parameter.mul(weightDecay));

/** (1 − γλ)θ: weight decay beside the gradient. */
export const decayed = (parameter: Tensor, lr: Tensor, weightDecay: number): Tensor =>
  weightDecay === 0 ? parameter : parameter.mul(lr.mul(-weightDecay).add(1).cast('float32'));

/**
 * The base of all optimisers: a rule for one parameter, written as a graph, with the schedule of its rate and groups of
 * parameters with options of their own. A subclass gives `stateNames` and `update`.
 */
export abstract class Optimizer<Options extends OptimizerOptions = OptimizerOptions> {
  /** Its own options, which hold for parameters of no group. */
  readonly options: Options;
  /** The learning rate over the steps. */
  readonly schedule: LRScheduler;
  /** Groups of parameters, of which the first that matches holds. */
  readonly groups: readonly ParameterGroup<Options>[];
  /** PyTorch's names of what is kept for each parameter, in its shape unless `stateShapes` says otherwise. */
  abstract readonly stateNames: readonly string[];

  /** @throws GlobalPercError when a learning rate or weight decay is negative or not finite, or a group has no pattern. */
  protected constructor(options: Options, { schedule = new ConstantLR(), groups = [] }: CommonOptions<Options>) {
    this.options = options;
    this.schedule = schedule;
    this.groups = groups;
    const name = this.className;
    for (const { lr, weightDecay } of this.variants()) checkOptions({ lr, weightDecay }, COMMON, name);
    for (const { parameters } of groups) regExp(parameters, `${name}: the parameters of a group`);
  }

  /** Name of the class, as checkpoints have it; survives minification for the optimisers of this library. */
  get className(): string {
    const own = this.constructor as { className?: string };
    return (Object.hasOwn(own, 'className') && own.className) || this.constructor.name;
  }

  /** Names and shapes of what is kept for a parameter of some shape. */
  stateShapes(parameter: Shape): Readonly<Record<string, Shape>> {
    return Object.fromEntries(this.stateNames.map((name) => [name, parameter]));
  }

  /** The rule: the parameter, and its state by the same names, after one step. Shapes stay as they are. */
  abstract update(context: Update<Options>): Updated;

  /** Options and rate of the parameter at `path`. @param taken optimiser steps before this one, float64 scalar. */
  optionsFor(path: string, taken: Tensor): ParameterOptions<Options> {
    const group = this.groups.find(({ parameters }) => path.search(parameters) >= 0);
    const options = { ...this.options, ...group };
    return { options, lr: this.schedule.rate(options.lr, taken) };
  }

  /** Sees that every group has a parameter among those that train. @throws GlobalPercError when one matches none of the paths. */
  checkGroups(paths: readonly string[]): void {
    const idle = this.groups.find(({ parameters }) => !paths.some((path) => path.search(parameters) >= 0));
    if (idle === undefined) return;
    throw new GlobalPercError(
      `${this.className}: the group ${idle.parameters} matches no trainable parameter; there are ${listed(paths)}`,
      { code: 'invalid-option' },
    );
  }

  /** The options as they hold for some parameters: the optimiser's own, and those of each group. */
  protected variants(): readonly Options[] {
    return [this.options, ...this.groups.map((group) => ({ ...this.options, ...group }))];
  }
}
