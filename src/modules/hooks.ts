/** Which module calls are hooked. */
import { GlobalPercError } from '../graph/index.js';
import { isLayerWithWeights, isOwnClass } from './subclasses.js';
import type { ModuleCall } from './types.js';

/**
 * What names modules to hook:
 * - a class (`nn.Linear`), as `isinstance` takes it: subclasses count, as far as the file tells them, and a model's own
 *   class that merely has the name of a layer with weights does not;
 * - its name (`'Linear'`): the same, and a model's own classes too;
 * - a pattern on the path (a RegExp, or a string `'/blocks\\.[0-5]\\./'`). It hooks leaf modules; a container only where
 *   it fits the container's whole path and would fit no longer one: `/^blocks\.0$/` is the block, `/^blocks\.0/` what is in it;
 * - a predicate, which sees leaf modules.
 */
export type HookSelector =
  | ModuleClass
  | { readonly className: string }
  | string
  | RegExp
  | ((path: string, call: ModuleCall) => boolean);

/** A class of modules, the caller's own ones included. */
export type ModuleClass = abstract new (
  ...args: never[]
) => {
  /** What makes a class one of modules: see `nn.Module`. */
  forward(...inputs: never[]): unknown;
};

/** Subclasses within PyTorch and torchvision that its `isinstance` counts as their base. */
const BASE_CLASS: Readonly<Record<string, string>> = {
  NonDynamicallyQuantizableLinear: 'Linear',
  ReLU6: 'Hardtanh',
  ZeroPad1d: 'ConstantPad1d',
  ZeroPad2d: 'ConstantPad2d',
  ZeroPad3d: 'ConstantPad3d',
  UpsamplingNearest2d: 'Upsample',
  UpsamplingBilinear2d: 'Upsample',
  LayerNorm2d: 'LayerNorm',
};

/** Classes of DINOv2, which says nothing of their bases. */
const OWN_BASE_CLASS: Readonly<Record<string, string>> = { MemEffAttention: 'Attention', NestedTensorBlock: 'Block' };

/**
 * The calls that match any selector, in execution order; no selector means every leaf module.
 * @throws GlobalPercError when nothing matches, naming the classes that exist, if any do.
 */
export function selectHooks(calls: readonly ModuleCall[], selectors: readonly HookSelector[]): ModuleCall[] {
  const tests = selectors.map(testOf);
  const hooked = calls.filter((call) => (tests.length === 0 ? call.leaf : tests.some((test) => test(call))));
  if (hooked.length > 0) return hooked;
  const classes = countClasses(calls);
  if (classes === '') {
    throw new GlobalPercError(
      'the model has no module that can be hooked: none of its nodes computes a known layer or carries the name of a module',
      { code: 'invalid-model' },
    );
  }
  const wanted = selectors.map((selector) => classNameOf(selector) ?? String(selector));
  throw new GlobalPercError(
    `no module matched ${wanted.join(', ') || 'at all'}; the model has ${classes}. ` +
      'Name one of these classes in modulesToHook, or a pattern on the module path',
    { code: 'invalid-option' },
  );
}

/** The name of a module class, as its modules have it: what a class inherits is its base's. */
function classNameOf(selector: HookSelector): string | undefined {
  if (Object.hasOwn(Object(selector), 'className')) return (selector as { readonly className: string }).className;
  return isModuleClass(selector) ? selector.name : undefined;
}

const isModuleClass = (selector: HookSelector): selector is ModuleClass =>
  typeof selector === 'function' && 'forward' in Object(selector.prototype);

function testOf(selector: HookSelector): (call: ModuleCall) => boolean {
  const name = typeof selector === 'string' ? selector : classNameOf(selector);
  if (selector instanceof RegExp) return matchesPath(selector);
  if (name === undefined && typeof selector === 'function' && !isModuleClass(selector))
    return (call) => call.leaf && selector(call.path, call);
  if (name === undefined)
    throw new GlobalPercError(`modulesToHook: ${String(selector)} is not a module class, name, pattern or predicate`, {
      code: 'invalid-option',
    });
  const pattern = /^\/(.*)\/([a-z]*)$/.exec(name);
  if (pattern) {
    return matchesPath(parsePattern(pattern[1] as string, pattern[2] as string, name));
  }
  const byClass = typeof selector !== 'string';
  return (call) => classesOf(call, byClass).includes(name);
}

/** The classes that a module counts as; with `isinstance`, a class of the model's own is no layer by its name alone. */
function classesOf(
  { class: className, qualifiedClass, baseClass, folded }: ModuleCall,
  isInstance: boolean,
): (string | undefined)[] {
  const own = isOwnClass(qualifiedClass);
  const ofPyTorch = own ? baseClass : className;
  return [
    ...(own && isInstance && isLayerWithWeights(className) ? [] : [className, OWN_BASE_CLASS[className]]),
    ofPyTorch,
    BASE_CLASS[ofPyTorch ?? ''],
    folded?.class,
  ];
}

function parsePattern(source: string, flags: string, text: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new GlobalPercError(`modulesToHook: ${text} is not a valid regular expression: ${(error as Error).message}`, {
      code: 'invalid-option',
      cause: error,
    });
  }
}

/** Without the flags g and y, which make a RegExp remember where it stopped. */
function matchesPath(pattern: RegExp): (call: ModuleCall) => boolean {
  const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  const fitsExactly = (path: string): boolean =>
    stateless.exec(path)?.[0] === path && !stateless.test(`${path}.0`) && !stateless.test(`0.${path}`);
  return ({ leaf, path }) => (leaf ? stateless.test(path) : fitsExactly(path));
}

/** `Conv2d (12), ReLU (11)`, leaf modules only. */
function countClasses(calls: readonly ModuleCall[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) if (call.leaf) counts.set(call.class, (counts.get(call.class) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} (${count})`).join(', ');
}
