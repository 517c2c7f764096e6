/** The loss that is looked at, as a configuration, as JSON and as TypeScript. */
import { GlobalPercConfig, GlobalPercLoss, type Model, type ModuleCall } from 'globalperc';
import type { Loaded } from './model.js';
import { type Selection, selectorsFor } from './selection.js';

/** Distances between activations that can be chosen, by name. `learned` is LPIPS's own. */
export const DISTANCES = {
  learned: undefined,
  'l1 · cosine': { type: 'l1', norm: 'cosine' },
  'l2 · cosine': { type: 'l2', norm: 'cosine' },
  l1: { type: 'l1', norm: 'none' },
  l2: { type: 'l2', norm: 'none' },
  'l1 · instance norm': { type: 'l1', norm: 'instancenorm' },
  'l1 · min–max': { type: 'l1', norm: 'minmax' },
  'unit length': 'unitLength',
} as const;

export type DistanceName = keyof typeof DISTANCES;

/** What is chosen. */
export interface Chosen {
  readonly selected: Selection;
  readonly startWeight: number;
  readonly endWeight: number;
  readonly curveForce: number;
  readonly distance: DistanceName;
  /** Whether the model was trained on ImageNet's mean and deviation. */
  readonly normalized: boolean;
}

const IMAGENET = { normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } };

/** What brings an image to what the model takes: its size and channels, where the file declares them. */
export function transformOf({ input }: Model, normalized: boolean): readonly object[] {
  const [, channels, height, width] = input.declaredShape ?? [];
  const fixed = typeof height === 'number' && typeof width === 'number';
  return [
    ...(fixed ? [{ resize: [height, width] }] : []),
    ...(channels === 1 ? [{ grayscale: {} }] : []),
    ...(normalized && channels !== 1 ? [IMAGENET] : []),
  ];
}

/** The keys of a configuration file. `modulesToHook` is missing where names and patterns cannot say it. */
export function jsonOf(loaded: Loaded, chosen: Chosen): Record<string, unknown> {
  const { startWeight, endWeight, curveForce, distance } = chosen;
  const transform = transformOf(loaded.model, chosen.normalized);
  const selectors = selectorsFor(loaded.leaves, chosen.selected, (names) => hooksOf(loaded.model, names));
  return {
    startWeight,
    endWeight,
    curveForce,
    ...(selectors && { modulesToHook: selectors }),
    ...(transform.length > 0 && { transformNormalization: transform }),
    ...(DISTANCES[distance] && { lossFunc: DISTANCES[distance] }),
  };
}

/** What some selectors choose; nothing where they fit nothing. */
function hooksOf(model: Model, modulesToHook: readonly string[]): readonly ModuleCall[] {
  try {
    return new GlobalPercLoss(model, new GlobalPercConfig({ modulesToHook, printData: false })).hooks;
  } catch {
    return [];
  }
}

/**
 * The configuration that computes; it hooks what is chosen, call by call.
 * @param before Transforms in front of those that the model needs.
 */
export function configOf(loaded: Loaded, chosen: Chosen, before: readonly object[] = []): GlobalPercConfig {
  const { distance, selected, startWeight, endWeight, curveForce } = chosen;
  return GlobalPercConfig.fromJSON(
    {
      startWeight,
      endWeight,
      curveForce,
      transformNormalization: [...before, ...transformOf(loaded.model, chosen.normalized)],
      ...(DISTANCES[distance] && { lossFunc: DISTANCES[distance] }),
    },
    {
      modulesToHook: [(_path, call) => selected.has(call)],
      printData: false,
      ...(distance === 'learned' && loaded.lpips && { lossFunc: loaded.lpips.lossFunc }),
    },
  );
}

/** JSON to be read: short lists and objects stay on their line. */
export function jsonText(json: unknown, indent = ''): string {
  const short = JSON.stringify(json).replace(/([,:])(?=\S)/g, '$1 ');
  if (short.length <= LINE || typeof json !== 'object' || json === null) return short;
  const inner = `${indent}  `;
  const lines = Array.isArray(json)
    ? json.map((value) => inner + jsonText(value, inner))
    : Object.entries(json).map(([key, value]) => `${inner}${JSON.stringify(key)}: ${jsonText(value, inner)}`);
  const [open, close] = Array.isArray(json) ? '[]' : '{}';
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}

/** Characters of a line. */
const LINE = 44;

/** The same loss in a script. */
export function typescriptOf(loaded: Loaded, json: Readonly<Record<string, unknown>>): string {
  const selectors = (json.modulesToHook as readonly string[] | undefined)?.map((name) =>
    name.startsWith('/') ? name : `'${name}'`,
  );
  const options = [
    ...['startWeight', 'endWeight', 'curveForce'].map((key) => `${key}: ${json[key]}`),
    ...(selectors ? [`modulesToHook: [${selectors.join(', ')}]`] : []),
  ];
  if (loaded.lpips && json.lossFunc === undefined) {
    return `import { GlobalPercConfig, GlobalPercLoss, LPIPS } from 'globalperc';

const { model, config } = await new LPIPS().network();
const loss = new GlobalPercLoss(
  model,
  new GlobalPercConfig({
    ...config,
    ${options.join(',\n    ')},
  }),
);
const { value, grad } = await loss.valueAndGrad(pred, target);
`;
  }
  const source = loaded.lpips
    ? 'const { model } = await new LPIPS().network();'
    : `const model = await loadModel('${loaded.name}');`;
  const names = ['GlobalPercConfig', 'GlobalPercLoss', loaded.lpips ? 'LPIPS' : 'loadModel'];
  const transform =
    json.transformNormalization === undefined
      ? []
      : [`transformNormalization: transforms.fromJSON(${inline(json.transformNormalization)})`];
  const distance = json.lossFunc as { type: string; norm: string } | 'unitLength';
  const lossFunc =
    distance === 'unitLength'
      ? 'new UnitLengthLoss()'
      : `new NormalizedTensorLoss('${distance.type}', 'mean', '${distance.norm}')`;
  const imports = [
    ...names,
    distance === 'unitLength' ? 'UnitLengthLoss' : 'NormalizedTensorLoss',
    ...(transform.length > 0 ? ['transforms'] : []),
  ];
  return `import { ${imports.join(', ')} } from 'globalperc';

${source}
const loss = new GlobalPercLoss(
  model,
  new GlobalPercConfig({
    ${[...options, ...transform, `lossFunc: ${lossFunc}`].join(',\n    ')},
  }),
);
const { value, grad } = await loss.valueAndGrad(pred, target);
`;
}

/** JSON as a script has it. */
const inline = (value: unknown): string =>
  JSON.stringify(value)
    .replace(/"(\w+)":/g, '$1: ')
    .replaceAll(',', ', ')
    .replaceAll('{', '{ ')
    .replaceAll('}', ' }');
