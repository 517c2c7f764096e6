/** The base of everything that holds weights (https://pytorch.org/docs/stable/generated/torch.nn.Module.html). */
import { differences, GlobalPercError, kindOf, listed, type Shape, Tensor, type TensorType } from '../graph/index.js';
import { boolean, checkOptions, refused } from '../options/index.js';
import { loading, requireState, type StoredTensor } from './conversion.js';
import { Buffer, Parameter, type StateDict } from './parameter.js';
import { printed } from './printed.js';
import { replaceModule } from './replace.js';
import { Trace } from './trace.js';

type Held = Parameter | Buffer;

/** A count that only the oldest files lack and no inference reads (`_NormBase._load_from_state_dict` of PyTorch). */
const MAY_BE_MISSING = /(^|\.)num_batches_tracked$/;

/** What a state dict and a module did not have in common. */
export interface IncompatibleKeys {
  /** Keys of the module that the state dict lacks. */
  readonly missingKeys: readonly string[];
  /** Keys of the state dict that the module lacks. */
  readonly unexpectedKeys: readonly string[];
}

/** Who holds a module's weights while it trains. */
export interface WeightKeeper {
  /** Types of the inputs that the module is trained on, by name; absent for a part of what is trained. */
  readonly inputs?: ReadonlyMap<string, TensorType>;
  /** Brings the weights that it holds into the module's parameters and buffers. */
  synchronize(): Promise<void>;
}

/** What `forward` gives: one tensor, or several. */
export type Outputs = Tensor | readonly Tensor[];

/** A module whatever it gives. */
export type AnyModule = Module<Outputs>;

export interface Module<Output extends Outputs = Tensor> {
  /** Runs `forward` as a call of this module: its nodes carry its path, and hooks see its output. */
  // biome-ignore lint/style/useShorthandFunctionType: merged with the class below
  (...inputs: Tensor[]): Output;
}

/**
 * A module: its fields that are modules, parameters and buffers are found by name, in the order they were set, as
 * PyTorch registers them. `forward` describes the computation on symbolic tensors; a module is called as a function is,
 * which runs `forward` where it can be hooked.
 *
 * @example
 * class Block extends nn.Module {
 *   conv = new nn.Conv2d(8, 8, 3, { padding: 1 });
 *   relu = new nn.ReLU();
 *   override forward(x: Tensor): Tensor {
 *     return x.add(this.relu(this.conv(x)));
 *   }
 * }
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface above says how a module is called
export abstract class Module<Output extends Outputs = Tensor> {
  /** True while it trains: batch statistics, dropout. */
  declare training: boolean;
  /** The trainer that keeps the weights beside its session, if there is one. */
  declare private keeper: WeightKeeper | undefined;

  /** Gives a function with the methods and fields of the class. */
  constructor() {
    const module = ((...inputs: Tensor[]) => module.called(inputs)) as unknown as this;
    // What functions have of their own, and a class may give another meaning.
    for (const name of ['name', 'length']) Reflect.deleteProperty(module, name);
    Object.setPrototypeOf(module, new.target.prototype);
    module.training = true;
    // biome-ignore lint/correctness/noConstructorReturn: what is made is a function, which no constructor gives by itself
    return module;
  }

  /** The computation. It runs when the module is called: `module(x)`. */
  abstract forward(...inputs: Tensor[]): Output;

  /** Name of the class, as hooks see it; survives minification for the layers of this library. */
  get className(): string {
    const own = this.constructor as { className?: string };
    return (Object.hasOwn(own, 'className') && own.className) || this.constructor.name;
  }

  /**
   * Learns what `forward` must know of inputs of some shapes, in its order. Imported models need it: a module that calls one
   * prepares it for what it will give it.
   */
  async prepare(..._shapes: readonly Shape[]): Promise<void> {}

  /** What the inputs of `forward` are called, where the module has names for them, as an imported model does. */
  get inputNames(): readonly string[] | undefined {
    return undefined;
  }

  private called(inputs: readonly Tensor[]): Output {
    const [first] = inputs;
    const strange = inputs.find((input) => input !== undefined && !(input instanceof Tensor));
    if (!(first instanceof Tensor) || strange !== undefined) {
      throw new GlobalPercError(
        `${this.className}: a module is called with symbolic tensors, inside another's forward, got ${kindOf(strange ?? first)}; ` +
          'for data, use trainer.predict(input), or loadModel(await toOnnx(module)) and onnxruntime',
        { code: 'invalid-argument' },
      );
    }
    const trace = Trace.of(first.graph, this);
    const call = (): Output => trace.call(this, () => this.forward(...inputs));
    return trace.isBeside ? this.whileEvaluating(call) : call();
  }

  /** The tensor that stands for a weight or buffer of this module in the graph of `x`. */
  protected read(held: Held, x: Tensor): Tensor {
    return Trace.of(x.graph, this).read(held);
  }

  /** Sets what a buffer holds after the run of the graph of `x`. */
  protected write(buffer: Buffer, value: Tensor, x: Tensor): void {
    Trace.of(x.graph, this).updates.set(buffer, value);
  }

  /** Child modules by field name. */
  namedChildren(): [string, AnyModule][] {
    return Object.entries(this).filter((entry): entry is [string, AnyModule] => entry[1] instanceof Module);
  }

  /** Child modules, in the order their fields were set. */
  children(): AnyModule[] {
    return this.namedChildren().map(([, module]) => module);
  }

  /** This module (as `''`) and all below it, each once, by dotted path. */
  *namedModules(prefix = '', seen = new Set<AnyModule>()): Generator<[string, AnyModule]> {
    if (seen.has(this)) return;
    seen.add(this);
    yield [prefix, this];
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(join(prefix, name), seen);
  }

  /** Every parameter and buffer below this module by its key in the state dict, shared ones under each of their keys. */
  *namedState(prefix = ''): Generator<[string, Held]> {
    const own = Object.entries(this).filter((entry): entry is [string, Held] => isHeld(entry[1]));
    // PyTorch lists the parameters of a module before its buffers.
    for (const [name, held] of own) if (held instanceof Parameter) yield [join(prefix, name), held];
    for (const [name, held] of own) if (held instanceof Buffer) yield [join(prefix, name), held];
    for (const [name, child] of this.namedChildren()) yield* child.namedState(join(prefix, name));
  }

  /** Every parameter once, by dotted path. */
  *namedParameters(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [path, held] of this.namedState()) {
      if (!(held instanceof Parameter) || seen.has(held)) continue;
      seen.add(held);
      yield [path, held];
    }
  }

  /** Every parameter of this module and of all below it once, in the order of `namedParameters`. */
  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, parameter]) => parameter);
  }

  /** Copies of all weights and buffers, under PyTorch's keys. Weights in a trainer are fetched by `synchronize` first. */
  stateDict(): StateDict {
    return Object.fromEntries(
      Array.from(this.namedState(), ([path, { dtype, shape, data }]) => [
        path,
        { dtype, dims: shape, data: data.slice() },
      ]),
    );
  }

  /**
   * Sets all weights and buffers, converting their elements as PyTorch does (float16, bfloat16 and float64 weights become
   * float32); a trainer that was made before keeps its own. A `num_batches_tracked` that is missing stays as it is, as
   * PyTorch lets it for files older than 1.0.
   * @param options `{ strict: false }` leaves out what the state or the module lacks, and returns the names of both.
   * @returns this module; the keys left out where `strict` is false.
   * @throws GlobalPercError for what is no state dict, or listing the keys that are missing, not known, or of another shape, or naming a buffer of
   * integers that is given something else; then nothing is changed. Without `strict`, on the latter two alone.
   */
  loadStateDict(state: Readonly<Record<string, StoredTensor>>, options?: { readonly strict?: true }): this;
  loadStateDict(state: Readonly<Record<string, StoredTensor>>, options: { readonly strict: false }): IncompatibleKeys;
  loadStateDict(
    state: Readonly<Record<string, StoredTensor>>,
    options: { readonly strict?: boolean } = {},
  ): this | IncompatibleKeys {
    const { strict = true } = checkOptions(options, { strict: boolean }, 'loadStateDict');
    requireState(state);
    const held = new Map(this.namedState());
    const found = new Map(Object.entries(this.adaptedState(state)));
    const missingKeys = [...held.keys()].filter((key) => !found.has(key) && !MAY_BE_MISSING.test(key));
    const unexpectedKeys = [...found.keys()].filter((key) => !held.has(key));
    const complaints = differences(
      new Map(Array.from(found, ([key, { dims }]) => [key, dims] as const).filter(([key]) => strict || held.has(key))),
      new Map(
        Array.from(held, ([key, { shape }]) => [key, shape] as const).filter(
          ([key]) => found.has(key) || (strict && missingKeys.includes(key)),
        ),
      ),
      'the model',
    );
    if (complaints !== '') {
      throw new GlobalPercError(`the weights are not those of this model: ${complaints}`, { code: 'invalid-file' });
    }
    const loaded = Array.from(held).flatMap(([key, target]) => {
      const tensor = found.get(key);
      return tensor ? [loading(target, tensor, key)] : [];
    });
    for (const set of loaded) set();
    return strict ? this : { missingKeys, unexpectedKeys };
  }

  /** The state under this module's own keys, for modules whose weights are published under several. */
  protected adaptedState(state: Readonly<Record<string, StoredTensor>>): Readonly<Record<string, StoredTensor>> {
    return state;
  }

  /** Switches this module and all below it to training (default) or to evaluation. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Switches this module and all below it to evaluation: running statistics, no dropout. As `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /** Runs a task with all modules in evaluation mode; afterwards each is in its own mode again. */
  whileEvaluating<Result>(task: () => Result): Result {
    const modes = Array.from(this.namedModules(), ([, module]) => [module, module.training] as const);
    this.eval();
    try {
      return task();
    } finally {
      for (const [module, mode] of modes) module.training = mode;
    }
  }

  /**
   * Puts a module in the place of the one at a path, as an assignment does in PyTorch: `model.replace('patch_embed.proj', head)`. What it
   * gives goes where the former one's outputs went.
   * @returns this module.
   * @throws GlobalPercError when there is no module at the path, naming the nearest, and where both tell how many features they give,
   * and not the same.
   */
  replace(path: string, module: Module): this {
    if (!(module instanceof Module)) throw refused('replace: module', 'an nn.Module of one output', module);
    replaceModule(this, path, module);
    return this;
  }

  /** Keeps the parameters whose path matches from training. @throws GlobalPercError when none does. */
  freeze(pattern: RegExp = /^/): this {
    return this.setTrainable(pattern, false);
  }

  /** Lets the parameters whose path matches train (again). @throws GlobalPercError when none does. */
  trainable(pattern: RegExp = /^/): this {
    return this.setTrainable(pattern, true);
  }

  private setTrainable(pattern: RegExp, requiresGrad: boolean): this {
    const all = [...this.namedParameters()];
    const chosen = all.filter(([path]) => path.search(pattern) >= 0);
    if (chosen.length === 0) {
      throw new GlobalPercError(`no parameter matches ${pattern}; there are ${listed(all.map(([path]) => path))}`, {
        code: 'invalid-option',
      });
    }
    for (const [, parameter] of chosen) parameter.requiresGrad = requiresGrad;
    return this;
  }

  /** Brings the weights a trainer holds into this module's parameters and buffers. */
  async synchronize(): Promise<void> {
    await this.keeper?.synchronize();
  }

  /** Types of the inputs it is trained on, when a trainer has it. */
  get trainedOn(): ReadonlyMap<string, TensorType> | undefined {
    return this.keeper?.inputs;
  }

  /** Names who keeps the weights from now on. */
  keepBy(keeper: WeightKeeper): void {
    this.keeper = keeper;
  }

  /** Its class and settings, and all below it, as PyTorch prints them: `Conv2d(inChannels=3, …)`. */
  toString(): string {
    return printed(this);
  }

  /** What `console.log` prints in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

const isHeld = (value: unknown): value is Held => value instanceof Parameter || value instanceof Buffer;

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);
