/** Configuration of GlobalPercLoss: the original's `GlobalPercConfig`, in camelCase. */
import type { HookSelector } from '../modules/index.js';
import {
  boolean,
  type Check,
  type Checks,
  callback,
  checkOptions,
  choice,
  listOf,
  made,
  matching,
  number,
  oneOf,
  refused,
  string,
  within,
} from '../options/index.js';
import { type Transform, fromJSON as transformFromJSON } from '../transforms/index.js';
import { isTransform } from '../transforms/transform.js';
import { AttentionTransferLoss } from './attention-transfer.js';
import { CosineLoss, type Distance, type LossFunc, NORMALIZED, NormalizedTensorLoss } from './distances.js';
import { GramLoss } from './gram.js';
import { type InputRange, inputRange } from './input-range.js';
import { KDLoss } from './kd.js';
import { CharbonnierLoss, L1Loss, MSELoss, SmoothL1Loss } from './pixel.js';
import { RKDAngleLoss, RKDDistanceLoss } from './relational.js';
import { REPALoss } from './repa.js';
import { UnitLengthLoss } from './unit-length.js';

/** Options of `GlobalPercConfig`. */
export interface GlobalPercOptions {
  /** Weight of the first hook. Default 1. */
  readonly startWeight?: number;
  /** Weight of the last hook. Default 2. */
  readonly endWeight?: number;
  /** Bend of the curve between them; 0 and 1 give a straight line. Default 0. */
  readonly curveForce?: number;
  /** Module classes, class names, patterns or predicates on the module path; `[]` (default) hooks every leaf module. */
  readonly modulesToHook?: readonly HookSelector[];
  /** Applied to both images before the model sees them. Default: the model's own, as of models from the hub; else none. */
  readonly transformNormalization?: Transform | undefined;
  /**
   * What the caller's tensors hold; they are brought to [0, 1], from where `transformNormalization` goes on, or else the
   * model. Gradients are those with respect to the caller's tensors. Default: tensors are taken as they are.
   */
  readonly inputRange?: InputRange | undefined;
  /** Distance between two activations, or a function that gives each hook its own. Default `new NormalizedTensorLoss()`: l1, mean, cosine. */
  readonly lossFunc?: LossFunc;
  /** Log the hooked modules, their number and their weights. Default true. */
  readonly printData?: boolean;
  /** Divide each hook's weight by its mean loss on pairs of random inputs. Default false. */
  readonly dynamicNormalization?: boolean;
  /** Where `printData` and warnings go. Default `console.log`. */
  readonly logger?: (message: string) => void;
}

const isSelector = (value: unknown): value is HookSelector =>
  typeof value === 'string' || typeof value === 'function' || value instanceof RegExp || 'className' in Object(value);

export const SELECTORS = listOf(matching(isSelector, 'a module class, its name, a pattern or a predicate'));

const CONFIG: Checks<GlobalPercOptions> = {
  startWeight: number(),
  endWeight: number(),
  curveForce: number({ least: 0 }),
  modulesToHook: SELECTORS,
  transformNormalization: isTransform,
  inputRange,
  lossFunc: distance,
  printData: boolean,
  dynamicNormalization: boolean,
  logger: callback,
};

/** What a `GlobalPercLoss` hooks, how it weighs the hooks and how it compares: the options, checked, with the defaults filled in. */
export class GlobalPercConfig {
  /** Weight of the first hook. */
  readonly startWeight: number;
  /** Weight of the last hook. */
  readonly endWeight: number;
  /** Bend of the curve between them, from 0 on. */
  readonly curveForce: number;
  /** What is hooked; `[]` is every leaf module. */
  readonly modulesToHook: readonly HookSelector[];
  /** What both images go through in front of the model; undefined: the model's own, if it has one. */
  readonly transformNormalization: Transform | undefined;
  /** What the caller's tensors hold; undefined: they are taken as they are. */
  readonly inputRange: InputRange | undefined;
  /** Distance between two activations, or a function that gives each hook its own. */
  readonly lossFunc: LossFunc;
  /** Whether hooks and weights are logged. */
  readonly printData: boolean;
  /** Whether each hook's weight is divided by its mean loss on pairs of random inputs. */
  readonly dynamicNormalization: boolean;
  /** Where `printData` and warnings go. */
  readonly logger: (message: string) => void;

  /** @throws GlobalPercError on an unknown key or a value of the wrong type. */
  constructor(options: GlobalPercOptions = {}) {
    const checked = checkOptions(options, CONFIG, 'GlobalPercConfig');
    this.startWeight = checked.startWeight ?? 1;
    this.endWeight = checked.endWeight ?? 2;
    this.curveForce = checked.curveForce ?? 0;
    this.modulesToHook = checked.modulesToHook ?? [];
    this.transformNormalization = checked.transformNormalization;
    this.inputRange = checked.inputRange;
    this.lossFunc = checked.lossFunc ?? new NormalizedTensorLoss();
    this.printData = checked.printData ?? true;
    this.dynamicNormalization = checked.dynamicNormalization ?? false;
    this.logger = checked.logger ?? ((message) => console.log(message));
  }

  /**
   * A configuration from parsed JSON: the same keys, with `transformNormalization` as a list such as
   * `[{ "centerCrop": [504, 504] }, { "normalize": { "mean": […], "std": […] } }]` and `lossFunc` as
   * `{ "type": "l2", "norm": "cosine", "reduction": "mean" }`, `{ "type": "cosine", "dim": -1 }`, `{ "type": "charbonnier", "eps": 1e-3 }`,
   * `{ "type": "kd", "temperature": 4 }`, `"gram"`, `"unitLength"`, `"attentionTransfer"`, `"repa"`, `"rkdDistance"`, `"rkdAngle"`, `"l1"`, `"mse"` or `"smoothl1"`.
   * @param where names the place in messages.
   * @throws GlobalPercError on an unknown key, naming the nearest, and on a value of the wrong type.
   */
  static fromJSON(json: unknown, overrides: GlobalPercOptions = {}, where = 'the configuration'): GlobalPercConfig {
    return new GlobalPercConfig({ ...checkOptions(json, JSON_CONFIG, where), ...overrides });
  }
}

/** A distance, or a function that gives one for each hook. */
export function distance(value: unknown, where: string): LossFunc {
  const { name, prototype } = Object(value) as { name?: string; prototype?: Partial<Distance> };
  if (typeof prototype?.forward === 'function') throw refused(where, `a distance, new ${name}(), not its class`, value);
  if (typeof Object(value).forward === 'function' || typeof value === 'function') return value as LossFunc;
  throw refused(where, 'a distance such as new NormalizedTensorLoss()', value);
}

/** What `{ type, ...options }` stands for; the constructor checks the options. */
const typed =
  (Class: new (options: object) => Distance): Check<Distance> =>
  (json, where) => {
    const { type: _, ...options } = Object(json) as Record<string, unknown>;
    return within(where, () => new Class(options));
  };

/** Distances by their `type`, or by it alone. */
const TYPED: Readonly<Record<string, Check<Distance>>> = {
  cosine: typed(CosineLoss),
  gram: typed(GramLoss),
  unitLength: typed(UnitLengthLoss),
  charbonnier: typed(CharbonnierLoss),
  attentionTransfer: typed(AttentionTransferLoss),
  kd: typed(KDLoss as new (options: object) => Distance),
  repa: typed(REPALoss),
};
/** Those that are a name alone: with a `type`, l1 is one of `NormalizedTensorLoss`. */
const NAMED: Readonly<Record<string, Check<Distance>>> = {
  l1: () => new L1Loss(),
  mse: () => new MSELoss(),
  smoothl1: () => new SmoothL1Loss(),
  rkdDistance: () => new RKDDistanceLoss(),
  rkdAngle: () => new RKDAngleLoss(),
  ...TYPED,
};
// The others are read before; here their names are for the message.
const normalized: Check<Distance> = made(
  { ...NORMALIZED, type: oneOf('l1', 'l2', ...(Object.keys(TYPED) as never[])) },
  ({ type, reduction, norm }) => new NormalizedTensorLoss(type, reduction, norm),
);

function distanceFromJSON(json: unknown, where: string): Distance {
  if (typeof json === 'string') return choice(NAMED)(json, where);
  const { type } = Object(json) as { readonly type?: unknown };
  const check = typeof type === 'string' && Object.hasOwn(TYPED, type) ? TYPED[type] : undefined;
  return (check ?? normalized)(json, where);
}

const { logger: _, ...SERIALIZABLE } = CONFIG;

const JSON_CONFIG: Checks<Omit<GlobalPercOptions, 'logger'>> = {
  ...SERIALIZABLE,
  modulesToHook: listOf(string),
  transformNormalization: transformFromJSON,
  lossFunc: distanceFromJSON,
};
