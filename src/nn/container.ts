/** Modules that hold others by number. */
import { GlobalPercError, type Tensor } from '../graph/index.js';
import { type AnyModule, Module } from './module.js';

abstract class Numbered<Child extends AnyModule> extends Module {
  constructor(modules: readonly Child[]) {
    super();
    for (const module of modules) this.append(module);
  }

  override get length(): number {
    return this.children().length;
  }

  /** The module at a place; negative places count from the end. @throws GlobalPercError when there is none. */
  at(index: number): Child {
    const module = this.children().at(index);
    if (module === undefined)
      throw new GlobalPercError(`${this.className} has ${this.length} modules, none at ${index}`);
    return module as AnyModule as Child;
  }

  /** Adds a module at the end. */
  append(module: Child): this {
    (this as unknown as Record<string, Child>)[this.length] = module;
    return this;
  }

  [Symbol.iterator](): IterableIterator<Child> {
    return (this.children() as AnyModule[] as Child[]).values();
  }
}

/** One module after the other (https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html). */
export class Sequential extends Numbered<Module> {
  static readonly className: string = 'Sequential';

  constructor(...modules: readonly Module[]) {
    super(modules);
  }

  override forward(x: Tensor): Tensor {
    return [...this].reduce((result, module) => module(result), x);
  }
}

/** Modules that a parent calls itself (https://pytorch.org/docs/stable/generated/torch.nn.ModuleList.html). */
export class ModuleList<Child extends AnyModule = Module> extends Numbered<Child> {
  static readonly className = 'ModuleList';

  constructor(modules: readonly Child[] = []) {
    super(modules);
  }

  override forward(): never {
    throw new GlobalPercError('a ModuleList is not called itself: call its modules');
  }
}
