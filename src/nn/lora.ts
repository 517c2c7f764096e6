/** Low-rank adapters (Hu et al. 2021, https://arxiv.org/abs/2106.09685), as peft computes them. */
import { GlobalPercError, listed, sizeOf, type Tensor } from '../graph/index.js';
import { type Checks, checkOptions, count, instanceOf, positive, regExp, required } from '../options/index.js';
import { conv2d } from './functional/convolution.js';
import { linear } from './functional/linear.js';
import { kaimingUniform } from './init.js';
import { MultiheadAttention } from './layers/attention.js';
import { Conv2d } from './layers/convolution.js';
import { Linear } from './layers/linear.js';
import { LORA_A, LORA_B } from './lora-names.js';
import { type AnyModule, Module } from './module.js';
import { Parameter } from './parameter.js';
import { Trace } from './trace.js';

/** Options of `lora`. */
export interface LoraOptions {
  /** Columns of A's product, rows of B's. */
  readonly rank: number;
  /** What is added is multiplied by alpha/rank. Default: the rank. */
  readonly alpha?: number;
  /** Paths of the modules that get an adapter, e.g. `/attn[12]\.to_(q|k|v|out\.0)$/`. */
  readonly targetModules: RegExp;
}

const checks: Checks<LoraOptions> = { rank: required(count), alpha: positive, targetModules: required(regExp) };

/** A layer that can get an adapter: Linear, Conv2d, or what an imported model has in their place. */
export interface LoraSite {
  /** Its weight: `[out, in, …kernel]`, or `[in, out]` where `transposed`. */
  readonly weight: Parameter;
  readonly transposed: boolean;
  /** Lets the layer add what the adapter makes of its input, and its module know the two weights. */
  attach(layer: LoraLayer): void;
}

/** A module that is not made of Linear and Conv2d, and tells itself what can get an adapter. */
export interface LoraHost {
  /** By path. */
  loraSites(): ReadonlyMap<string, LoraSite>;
}

/** The adapter of one layer: y + alpha/rank · B(A x). */
export class LoraLayer {
  /** `[rank, in, …kernel]`; starts uniform as a Linear's weight. */
  readonly a: Parameter;
  /** `[out, rank]`, `[out, rank, 1, 1]` for a convolution; starts with 0. */
  readonly b: Parameter;
  readonly rank: number;
  readonly alpha: number;
  /** Whether the layer's own weight holds it. */
  merged = false;
  private readonly site: LoraSite;

  constructor(site: LoraSite, rank: number, alpha: number) {
    const [out, ...rest] = site.transposed ? site.weight.shape.toReversed() : site.weight.shape;
    this.site = site;
    this.rank = rank;
    this.alpha = alpha;
    this.a = kaimingUniform(new Parameter([rank, ...rest]), { a: Math.sqrt(5) });
    this.b = new Parameter([out as number, rank, ...rest.slice(1).map(() => 1)]);
  }

  /** What is added, as the layer's weight would hold it: alpha/rank · B·A. */
  delta(): Float32Array {
    const { a, b, rank } = this;
    const [out, columns] = [b.shape[0] as number, sizeOf(a.shape.slice(1))];
    const result = new Float32Array(out * columns);
    for (let row = 0; row < out; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        let sum = 0;
        for (let k = 0; k < rank; k += 1)
          sum += (b.data[row * rank + k] as number) * (a.data[k * columns + column] as number);
        result[this.site.transposed ? column * out + row : row * columns + column] = (sum * this.alpha) / rank;
      }
    }
    return result;
  }

  /** Adds the product to the layer's weight, or takes it off again. */
  merge(merged: boolean): void {
    if (this.merged === merged) return;
    const delta = this.delta();
    const sign = merged ? 1 : -1;
    this.site.weight.data = this.site.weight.data.map((value, i) => value + sign * (delta[i] as number));
    this.merged = merged;
  }
}

/** The adapters of a module, made by `lora`: its only weights that train. */
export class LoraAdapters {
  readonly module: AnyModule;
  /** By the path of the layer. */
  readonly layers: ReadonlyMap<string, LoraLayer>;

  constructor(module: AnyModule, layers: ReadonlyMap<string, LoraLayer>) {
    this.module = module;
    this.layers = layers;
  }

  /**
   * Adds the adapters to the layers' own weights: the module then is as without adapters, and gives the same to rounding. Where a
   * trainer holds the weights, `await module.synchronize()` first; it goes on as before.
   */
  merge(): void {
    for (const layer of this.layers.values()) layer.merge(true);
  }

  /** Undoes `merge`, to rounding. */
  unmerge(): void {
    for (const layer of this.layers.values()) layer.merge(false);
  }
}

const isModule = instanceOf(Module, 'an nn.Module, or await loadModel(source, { trainable: true })');

/**
 * Low-rank adapters for the Linear and Conv2d layers whose path matches, also of an imported model: y + alpha/rank · B(A x), A
 * uniform as a Linear's weight, B zero. All other weights of the module are frozen. The adapters' weights are part of its state
 * under peft's names, `to_q.lora_A.weight` and `to_q.lora_B.weight`.
 *
 * @example
 * const adapters = nn.lora(unet, { rank: 8, targetModules: /attn[12]\.to_(q|k|v|out\.0)$/ });
 * @throws GlobalPercError when no layer matches, or one that does cannot have an adapter: it is named, with the reason.
 */
export function lora(module: AnyModule, options: LoraOptions): LoraAdapters {
  isModule(module, 'lora: module');
  const { rank, alpha = rank, targetModules } = checkOptions(options, checks, 'lora');
  requireCalled(module, targetModules);
  const sites = loraSites(module);
  const chosen = [...sites.keys()].filter((path) => path.search(targetModules) >= 0);
  if (chosen.length === 0) {
    const fused = [...sites].flatMap(([path, { weight }]) => (isFused(weight) ? [path] : []));
    const hint = fused.length > 0 ? `; several projections in one weight: ${listed(fused)}` : '';
    throw new GlobalPercError(
      `lora: no Linear or Conv2d matches ${targetModules}; there are ${listed([...sites.keys()]) || 'none'}${hint}`,
      { code: 'invalid-option' },
    );
  }
  return attachLora(module, new Map(chosen.map((path) => [path, { rank, alpha }])));
}

/** Whether a weight looks like queries, keys and values, or keys and values, in one. */
const isFused = ({ shape: [a = 0, b = 0, ...kernel] }: Parameter): boolean =>
  kernel.length === 0 && [2, 3].some((parts) => a === parts * b || b === parts * a);

/** Puts adapters of given ranks on layers by path. @throws GlobalPercError when a layer has one already. */
export function attachLora(
  module: AnyModule,
  wanted: ReadonlyMap<string, { readonly rank: number; readonly alpha: number }>,
): LoraAdapters {
  const sites = loraSites(module);
  const taken = new Set(Array.from(module.namedState(), ([path]) => path));
  const second = [...wanted.keys()].filter((path) => taken.has(`${path}.${LORA_A}`));
  if (second.length > 0) {
    throw new GlobalPercError(
      `lora: there is an adapter already on ${listed(second)}; take the module as it was loaded`,
      {
        code: 'invalid-option',
      },
    );
  }
  for (const parameter of module.parameters()) parameter.requiresGrad = false;
  const layers = Array.from(wanted, ([path, { rank, alpha }]) => {
    const site = sites.get(path) as LoraSite;
    const layer = new LoraLayer(site, rank, alpha);
    site.attach(layer);
    return [path, layer] as const;
  });
  return new LoraAdapters(module, new Map(layers));
}

/** Every layer that can get an adapter, by path. */
export function loraSites(module: AnyModule): Map<string, LoraSite> {
  const sites = new Map<string, LoraSite>();
  for (const [path, part] of module.namedModules()) {
    const host = part as AnyModule & Partial<LoraHost>;
    const inside = (name: string): string => (path === '' ? name : `${path}.${name}`);
    for (const [name, site] of host.loraSites?.() ?? []) sites.set(inside(name), site);
    const site = siteOf(part);
    if (site) sites.set(path, site);
  }
  return sites;
}

function siteOf(part: AnyModule): LoraSite | undefined {
  if (part instanceof Linear) {
    return layerSite(part, (x, a, b) => linear(linear(x, a), b));
  }
  if (part instanceof Conv2d && part.options.groups === 1 && part.paddingMode === 'zeros') {
    return layerSite(part, (x, a, b) => conv2d(conv2d(x, a, undefined, part.options), b));
  }
  return undefined;
}

function layerSite(part: Linear | Conv2d, lowRank: (x: Tensor, a: Tensor, b: Tensor) => Tensor): LoraSite {
  return {
    weight: part.weight,
    transposed: false,
    attach(layer) {
      // Names with a dot: the layer stays one without children, and the keys are peft's.
      Object.assign(part, { [LORA_A]: layer.a, [LORA_B]: layer.b });
      const plain = part.forward.bind(part);
      const forward = (x: Tensor): Tensor => {
        if (layer.merged) return plain(x);
        const trace = Trace.of(x.graph, part);
        const added = lowRank(x, trace.read(layer.a), trace.read(layer.b));
        return plain(x).add(added.mul(layer.alpha / layer.rank));
      };
      Object.defineProperty(part, 'forward', { value: forward, configurable: true });
    },
  };
}

/** @throws GlobalPercError naming what matches and is read without being called: an adapter would have no effect. */
function requireCalled(module: AnyModule, pattern: RegExp): void {
  for (const [path, part] of module.namedModules()) {
    if (!(part instanceof MultiheadAttention)) continue;
    const inside = path === '' ? 'out_proj' : `${path}.out_proj`;
    const found = [path, inside].find((name) => name.search(pattern) >= 0);
    if (found === undefined) continue;
    throw new GlobalPercError(
      `lora: '${found}' cannot have an adapter: a MultiheadAttention keeps its projections in one weight and reads them itself; leave it out of targetModules`,
      { code: 'invalid-option' },
    );
  }
}
