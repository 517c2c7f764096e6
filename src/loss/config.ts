/** Configuration of GlobalPercLoss: the original's `GlobalPercConfig`, in camelCase. */
import { GlobalPercError } from '../graph/index.js';
import type { HookSelector } from '../modules/index.js';
import { type Transform, fromJSON as transformFromJSON } from '../transforms/index.js';
import { CosineLoss, type Distance, type LossFunc, NormalizedTensorLoss } from './distances.js';
import { L1Loss, MSELoss, SmoothL1Loss } from './pixel.js';

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
  readonly transformNormalization?: Transform;
  /** Distance between two activations, or a function that gives each hook its own. Default `new NormalizedTensorLoss()`: l1, mean, cosine. */
  readonly lossFunc?: LossFunc;
  /** Log the hooked modules, their number and their weights. Default true. */
  readonly printData?: boolean;
  /** Divide each hook's weight by its mean loss on pairs of random inputs. Default false. */
  readonly dynamicNormalization?: boolean;
  /** Where `printData` and warnings go. Default `console.log`. */
  readonly logger?: (message: string) => void;
}

const KEYS: readonly (keyof GlobalPercOptions)[] = [
  'startWeight',
  'endWeight',
  'curveForce',
  'modulesToHook',
  'transformNormalization',
  'lossFunc',
  'printData',
  'dynamicNormalization',
  'logger',
];

export class GlobalPercConfig {
  readonly startWeight: number;
  readonly endWeight: number;
  readonly curveForce: number;
  readonly modulesToHook: readonly HookSelector[];
  readonly transformNormalization: Transform | undefined;
  readonly lossFunc: LossFunc;
  readonly printData: boolean;
  readonly dynamicNormalization: boolean;
  readonly logger: (message: string) => void;

  /** @throws GlobalPercError on an unknown key or a value of the wrong type. */
  constructor(options: GlobalPercOptions = {}) {
    checkKeys(options, KEYS, 'GlobalPercConfig');
    this.startWeight = finite(options.startWeight ?? 1, 'startWeight');
    this.endWeight = finite(options.endWeight ?? 2, 'endWeight');
    this.curveForce = finite(options.curveForce ?? 0, 'curveForce');
    if (this.curveForce < 0) throw new GlobalPercError(`curveForce must not be negative, got ${this.curveForce}`);
    this.modulesToHook = array(options.modulesToHook ?? [], 'modulesToHook');
    this.transformNormalization = options.transformNormalization;
    this.lossFunc = options.lossFunc ?? new NormalizedTensorLoss();
    this.printData = options.printData ?? true;
    this.dynamicNormalization = options.dynamicNormalization ?? false;
    this.logger = options.logger ?? ((message) => console.log(message));
  }

  /**
   * A configuration from parsed JSON: the same keys, with `transformNormalization` as a list such as
   * `[{ "centerCrop": [504, 504] }, { "normalize": { "mean": […], "std": […] } }]` and `lossFunc` as
   * `{ "type": "l2", "norm": "cosine", "reduction": "mean" }`, `{ "type": "cosine", "dim": -1 }`, `"l1"`, `"mse"` or `"smoothl1"`.
   * @throws GlobalPercError on an unknown key or a value of the wrong type.
   */
  static fromJSON(json: unknown, overrides: GlobalPercOptions = {}): GlobalPercConfig {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new GlobalPercError('a configuration should be a JSON object');
    }
    const { transformNormalization, lossFunc, ...rest } = json as Record<string, unknown>;
    const jsonKeys = KEYS.filter((key) => key !== 'logger');
    checkKeys(json, jsonKeys, 'the configuration');
    for (const key of ['printData', 'dynamicNormalization']) {
      if (rest[key] !== undefined && typeof rest[key] !== 'boolean') {
        throw new GlobalPercError(`${key} should be true or false, got ${JSON.stringify(rest[key])}`);
      }
    }
    return new GlobalPercConfig({
      ...(rest as GlobalPercOptions),
      ...(transformNormalization === undefined
        ? {}
        : { transformNormalization: transformFromJSON(transformNormalization) }),
      ...(lossFunc === undefined ? {} : { lossFunc: distanceFromJSON(lossFunc) }),
      ...overrides,
    });
  }
}

const PLAIN: Readonly<Record<string, () => Distance>> = {
  l1: () => new L1Loss(),
  mse: () => new MSELoss(),
  smoothl1: () => new SmoothL1Loss(),
};

function distanceFromJSON(json: unknown): Distance {
  if (typeof json === 'string') {
    const make = PLAIN[json];
    if (make) return make();
    throw new GlobalPercError(
      `lossFunc '${json}' is not known; expected ${Object.keys(PLAIN).join(', ')} or an object`,
    );
  }
  if (typeof json !== 'object' || json === null) {
    throw new GlobalPercError(`lossFunc should be a name or an object, got ${JSON.stringify(json)}`);
  }
  const { type, dim, norm, reduction } = json as Record<string, never>;
  if (type === 'cosine') {
    checkKeys(json, ['type', 'dim'], 'lossFunc');
    return new CosineLoss(dim === undefined ? {} : { dim: finite(dim, 'lossFunc.dim') });
  }
  checkKeys(json, ['type', 'norm', 'reduction'], 'lossFunc');
  return new NormalizedTensorLoss(type, reduction, norm);
}

function checkKeys(object: object, known: readonly string[], what: string): void {
  const unknown = Object.keys(object).filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  throw new GlobalPercError(`${what} has the unknown key '${unknown[0]}'; known keys are ${known.join(', ')}`);
}

function finite(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new GlobalPercError(`${name} should be a number, got ${JSON.stringify(value)}`);
}

function array<T>(value: readonly T[], name: string): readonly T[] {
  if (Array.isArray(value)) return value;
  throw new GlobalPercError(`${name} should be a list, got ${JSON.stringify(value)}`);
}
