/** Modules that hold others, or parameters, by number or by name. */
import { GlobalPercError, kindOf, listed, type Tensor } from '../graph/index.js';
import { refused } from '../options/index.js';
import { type AnyModule, Module } from './module.js';
import { Parameter } from './parameter.js';

/** What holds parts of one kind as fields of its own, which is where they are found. */
abstract class Container<Part> extends Module {
  protected abstract get Kind(): typeof Module | typeof Parameter;

  /** What its parts are called. */
  protected get kind(): string {
    return this.Kind === Parameter ? 'parameter' : 'module';
  }

  private holds(part: unknown): part is Part {
    return part instanceof this.Kind;
  }

  /** @throws GlobalPercError for what is no such part. */
  protected put(name: string | number, part: Part): void {
    if (!this.holds(part)) {
      throw new GlobalPercError(`${this.className}: ${name} should be a ${this.kind}, got ${kindOf(part)}`, {
        code: 'invalid-option',
      });
    }
    (this as unknown as Record<string, Part>)[name] = part;
  }

  /** @throws GlobalPercError always, unless a subclass says what a call does. */
  override forward(..._inputs: Tensor[]): Tensor {
    throw new GlobalPercError(`a ${this.className} is not called itself: use its ${this.kind}s`, {
      code: 'invalid-argument',
    });
  }

  protected parts(): [string, Part][] {
    return Object.entries(this).filter((entry): entry is [string, Part] => this.holds(entry[1]));
  }
}

/** Parts by number. */
abstract class Numbered<Part> extends Container<Part> {
  /** @throws GlobalPercError for what is no list, or has an element that may not be held. */
  constructor(parts: readonly Part[]) {
    super();
    if (!Array.isArray(parts)) throw refused(this.className, `a list of ${this.kind}s`, parts);
    for (const part of parts as readonly Part[]) this.append(part);
  }

  /** How many parts it has. */
  override get length(): number {
    return this.parts().length;
  }

  /** The part at a place; negative places count from the end. @throws GlobalPercError when there is none. */
  at(index: number): Part {
    const part = this.parts().at(index)?.[1];
    if (part !== undefined) return part;
    throw new GlobalPercError(`${this.className} has ${this.length} ${this.kind}s, none at ${index}`, {
      code: 'invalid-argument',
    });
  }

  /** Adds a part at the end. @throws GlobalPercError for what may not be held. */
  append(part: Part): this {
    this.put(this.length, part);
    return this;
  }

  /** The parts in their order. */
  [Symbol.iterator](): IterableIterator<Part> {
    return this.parts()
      .map(([, part]) => part)
      .values();
  }
}

/** Parts by name. */
abstract class Named<Part> extends Container<Part> {
  /** @throws GlobalPercError for what is no object, or has a value that may not be held. */
  constructor(parts: Readonly<Record<string, Part>>) {
    super();
    if (typeof parts !== 'object' || parts === null) throw refused(this.className, `an object of ${this.kind}s`, parts);
    for (const [name, part] of Object.entries(parts)) this.set(name, part);
  }

  /** The part of a name. @throws GlobalPercError when there is none, naming those there are. */
  get(name: string): Part {
    const found = this.parts().find(([other]) => other === name);
    if (found) return found[1];
    throw new GlobalPercError(
      `${this.className} has no '${name}'; there are ${listed(this.parts().map(([other]) => other)) || 'none'}`,
      { code: 'invalid-argument' },
    );
  }

  /** Adds or replaces a part. @throws GlobalPercError for a name with a dot or of a method, and for what may not be held. */
  set(name: string, part: Part): this {
    if (name === '' || name.includes('.') || (name in this && !this.has(name))) {
      throw new GlobalPercError(`${this.className}: '${name}' cannot name a ${this.kind}: choose another name`, {
        code: 'invalid-option',
      });
    }
    this.put(name, part);
    return this;
  }

  /** Whether there is a part of this name. */
  has(name: string): boolean {
    return this.parts().some(([other]) => other === name);
  }

  /** Names and parts, as a Map gives them. */
  [Symbol.iterator](): IterableIterator<[string, Part]> {
    return this.parts().values();
  }
}

/** Modules by number. */
abstract class NumberedModules<Child extends AnyModule> extends Numbered<Child> {
  protected override get Kind(): typeof Module {
    return Module;
  }
}

/** One module after the other (https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html). */
export class Sequential extends NumberedModules<Module> {
  static readonly className: string = 'Sequential';

  constructor(...modules: readonly Module[]) {
    super(modules);
  }

  override forward(x: Tensor): Tensor {
    return [...this].reduce((result, module) => module(result), x);
  }
}

/** Modules that a parent calls itself (https://pytorch.org/docs/stable/generated/torch.nn.ModuleList.html). */
export class ModuleList<Child extends AnyModule = Module> extends NumberedModules<Child> {
  static readonly className = 'ModuleList';

  constructor(modules: readonly Child[] = []) {
    super(modules);
  }
}

/** Parameters that a parent reads itself (https://pytorch.org/docs/stable/generated/torch.nn.ParameterList.html). */
export class ParameterList extends Numbered<Parameter> {
  static readonly className = 'ParameterList';

  constructor(parameters: readonly Parameter[] = []) {
    super(parameters);
  }

  protected override get Kind(): typeof Parameter {
    return Parameter;
  }
}

/** Modules by name that a parent calls itself (https://pytorch.org/docs/stable/generated/torch.nn.ModuleDict.html). */
export class ModuleDict<Child extends AnyModule = Module> extends Named<Child> {
  static readonly className = 'ModuleDict';

  constructor(modules: Readonly<Record<string, Child>> = {}) {
    super(modules);
  }

  protected override get Kind(): typeof Module {
    return Module;
  }
}

/** Parameters by name that a parent reads itself (https://pytorch.org/docs/stable/generated/torch.nn.ParameterDict.html). */
export class ParameterDict extends Named<Parameter> {
  static readonly className = 'ParameterDict';

  constructor(parameters: Readonly<Record<string, Parameter>> = {}) {
    super(parameters);
  }

  protected override get Kind(): typeof Parameter {
    return Parameter;
  }
}
