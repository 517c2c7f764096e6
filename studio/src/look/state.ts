/** What the tab Look shows, and what it does. */
import { batch, computed, effect, signal } from '@preact/signals';
import { GlobalPercLoss, type HookMap, type ModuleCall, weightCurve } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { blended, gradientColours, heatMap } from '../../../dist/cli/colours.js';
import { DEGRADATIONS, type DegradationName } from '../engine/degrade.js';
import { messageOf } from '../engine/errors.js';
import { batchOf, fetchPicture, type Picture, readPicture, resized, sidesOf } from '../engine/image.js';
import { barOf, newBar } from '../engine/progress.js';
import { Task } from '../engine/task.js';
import { type Chosen, configOf, type DistanceName, jsonOf, typescriptOf } from './config.js';
import { firstChoice, type Loaded, openFile, openLpips } from './model.js';
import type { Selection } from './selection.js';

export const loading = newBar();
export const modelError = signal<string | undefined>(undefined);
export const loaded = signal<Loaded | undefined>(undefined);

export const selected = signal<Selection>(new Set());
export const startWeight = signal(1);
export const endWeight = signal(1);
export const curveForce = signal(0);
export const distance = signal<DistanceName>('learned');
export const normalized = signal(true);

export const target = signal<Picture | undefined>(undefined);
export const prediction = signal<Picture | undefined>(undefined);
export const pictureError = signal<string | undefined>(undefined);

/** Which hook's map is shown; none for that of the whole loss. */
export const shownHook = signal<ModuleCall | undefined>(undefined);

/** What hooks see: their losses and maps, without weights. */
interface Seen {
  readonly hooks: ReadonlyMap<ModuleCall, HookMap>;
  /** What it was seen with. */
  readonly by: Sight;
}

/** All that losses and maps depend on, besides which hooks there are. */
interface Sight {
  readonly model: Loaded;
  readonly distance: DistanceName;
  readonly normalized: boolean;
  readonly images: { readonly pred: ImageTensor; readonly target: ImageTensor };
}

const seen = signal<Seen | undefined>(undefined);
export const gradient = signal<{ readonly image: ImageTensor; readonly most: number } | undefined>(undefined);
export const looking = new Task();
export const differentiating = new Task();

export const chosen = computed<Chosen>(() => ({
  selected: selected.value,
  startWeight: startWeight.value,
  endWeight: endWeight.value,
  curveForce: curveForce.value,
  distance: distance.value,
  normalized: normalized.value,
}));

/** The weight of each hook. */
export const weights = computed(() => weightCurve(chosen.value, selected.value.size));

/** The chosen calls in order of execution. */
const order = computed(() => loaded.value?.leaves.filter((call) => selected.value.has(call)) ?? []);

/** The hooks that were seen, each with its weight of now and its part in the loss. */
export const hooks = computed(() =>
  order.value.flatMap((call, index) => {
    const hook = seen.value?.hooks.get(call);
    const weight = weights.value[index] ?? 0;
    return hook ? [{ ...hook, call, index, weight, contribution: weight * hook.loss }] : [];
  }),
);

/** Σ weight · loss, once all hooks are seen. */
export const value = computed(() =>
  hooks.value.length > 0 && hooks.value.length === order.value.length
    ? hooks.value.reduce((sum, { contribution }) => sum + contribution, 0)
    : undefined,
);

/** The hook whose map is shown, as long as it is one. */
export const onlyHook = computed(() => hooks.value.find(({ call }) => call === shownHook.value));

/** The heat map over the prediction, and what its brightest colour stands for. */
export const heat = computed(() => {
  const on = seen.value?.by.images.pred;
  const shown = onlyHook.value ? [onlyHook.value] : hooks.value;
  if (!on || shown.length === 0 || shown.every(({ map }) => map === undefined)) return undefined;
  const [height, width] = sidesOf(on);
  const sum = new Float32Array(height * width);
  for (const { map, weight } of shown)
    for (const [i, level] of (map?.data ?? []).entries()) sum[i] = (sum[i] as number) + weight * level;
  const most = sum.reduce((a, b) => Math.max(a, b), 0);
  return { image: blended(heatMap(sum, height, width, most), on), most };
});

export const json = computed(() =>
  loaded.value && selected.value.size > 0 ? jsonOf(loaded.value, chosen.value) : undefined,
);
export const typescript = computed(() => (loaded.value && json.value ? typescriptOf(loaded.value, json.value) : ''));

/** Loads LPIPS, or the model of a file. */
export async function open(file?: File): Promise<void> {
  modelError.value = undefined;
  loading.value = { label: 'starting' };
  try {
    const show = (progress: Parameters<typeof barOf>[0]): void => {
      loading.value = barOf(progress);
    };
    const found = await (file ? openFile(file, show) : openLpips(show));
    // At once: modules of one model are none of the other.
    batch(() => {
      shownHook.value = undefined;
      seen.value = undefined;
      gradient.value = undefined;
      distance.value = found.lpips ? 'learned' : 'l1 · cosine';
      startWeight.value = 1;
      endWeight.value = found.lpips ? 1 : 2;
      curveForce.value = 0;
      selected.value = firstChoice(found);
      loaded.value = found;
    });
  } catch (error) {
    modelError.value = messageOf(error);
  } finally {
    loading.value = undefined;
  }
}

/** Takes a file for one of the two pictures. */
export async function takePicture(which: 'target' | 'prediction', file: File): Promise<void> {
  await takeFrom(async () => {
    const picture = await readPicture(file, file.name);
    if (which === 'target') target.value = picture;
    else prediction.value = picture;
  });
}

/** Takes a photograph of the page as target, and makes the prediction of it. */
export const takeExample = (photo: string, name: DegradationName): Promise<void> =>
  takeFrom(async () => {
    target.value = await fetchPicture(`photos/${photo}.jpg`);
    degrade(name);
  });

/** An example, as long as nothing was chosen: where a tab is opened first. */
export function takeFirstExample(): void {
  if (!target.peek()) void takeExample('nagasaki-boats', 'blurred');
}

/** Makes the prediction of the target. */
export function degrade(name: DegradationName): void {
  if (target.value) prediction.value = { name, image: DEGRADATIONS[name](target.value.image) };
}

async function takeFrom(work: () => Promise<void>): Promise<void> {
  try {
    await work();
    pictureError.value = undefined;
  } catch (error) {
    pictureError.value = messageOf(error);
  }
}

/** The prediction in the target's size. */
export const images = computed(() => {
  const [of, by] = [prediction.value, target.value];
  return of && by ? { pred: resized(of.image, sidesOf(by.image)), target: by.image } : undefined;
});

/** The loss at work is kept until the next one is there. */
let looked: GlobalPercLoss | undefined;
let differentiated: GlobalPercLoss | undefined;

const sight = computed<Sight | undefined>(() => {
  const [model, pair] = [loaded.value, images.value];
  return model && pair && { model, images: pair, distance: distance.value, normalized: normalized.value };
});

// Hooks are seen with a weight of 1, and remembered: the curve may move, and hooks go and come back, without anything being computed again.
effect(() => {
  const [by, calls] = [sight.value, order.value];
  const known = seen.peek();
  if (!by || calls.length === 0 || (known?.by === by && calls.every((call) => known.hooks.has(call)))) {
    looking.cancel();
    return;
  }
  const choice = { ...chosen.peek(), selected: new Set(calls), startWeight: 1, endWeight: 1, curveForce: 0 };
  const work = async () => {
    void looked?.dispose();
    looked = new GlobalPercLoss(by.model.model, configOf(by.model, choice));
    return looked.map(batchOf(by.images.pred), batchOf(by.images.target), { hooks: true });
  };
  looking.later(120, work, ({ hooks: found }) => {
    seen.value = { by, hooks: new Map(found.map((hook, i) => [calls[i] as ModuleCall, hook])) };
  });
});

effect(() => {
  const [model, pair, choice] = [loaded.value, images.value, chosen.value];
  gradient.value = undefined;
  if (!model || !pair || choice.selected.size === 0) {
    differentiating.cancel();
    return;
  }
  const work = async () => {
    void differentiated?.dispose();
    differentiated = new GlobalPercLoss(model.model, configOf(model, choice));
    return differentiated.valueAndGrad(batchOf(pair.pred), batchOf(pair.target));
  };
  differentiating.later(500, work, ({ grad }) => {
    gradient.value = gradientColours({ dims: [...grad.dims], data: grad.data as Float32Array });
  });
});
