/** What the tab Look shows, and what it does. */
import { computed, effect, signal } from '@preact/signals';
import { GlobalPercLoss, type HookMap, weightCurve } from 'globalperc';
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
export const shownHook = signal<number | undefined>(undefined);
/** What the hooks see: their losses and maps, without weights. */
const seen = signal<{ readonly hooks: readonly HookMap[]; readonly on: ImageTensor } | undefined>(undefined);
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

/** Each hook with its weight of now and its part in the loss. */
export const hooks = computed(() => {
  const found = seen.value?.hooks ?? [];
  const own = found.length === weights.value.length ? weights.value : [];
  return found.map((hook, i) => ({ ...hook, weight: own[i] ?? 0, contribution: (own[i] ?? 0) * hook.loss }));
});

/** Σ weight · loss. */
export const value = computed(() =>
  hooks.value.length > 0 ? hooks.value.reduce((sum, { contribution }) => sum + contribution, 0) : undefined,
);

/** The heat map over the prediction, and what its brightest colour stands for. */
export const heat = computed(() => {
  const on = seen.value?.on;
  const shown =
    shownHook.value === undefined ? hooks.value : hooks.value.filter(({ index }) => index === shownHook.value);
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
    shownHook.value = undefined;
    seen.value = undefined;
    gradient.value = undefined;
    distance.value = found.lpips ? 'learned' : 'l1 · cosine';
    startWeight.value = 1;
    endWeight.value = found.lpips ? 1 : 2;
    selected.value = firstChoice(found);
    loaded.value = found;
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

/** What losses and maps depend on: with weights of 1, so that the curve may move without anything being computed again. */
const unweighted = computed<Chosen>(() => ({
  selected: selected.value,
  distance: distance.value,
  normalized: normalized.value,
  startWeight: 1,
  endWeight: 1,
  curveForce: 0,
}));

effect(() => {
  const [model, pair, choice] = [loaded.value, images.value, unweighted.value];
  if (!model || !pair || choice.selected.size === 0) {
    seen.value = undefined;
    looking.cancel();
    return;
  }
  const work = async () => {
    void looked?.dispose();
    looked = new GlobalPercLoss(model.model, configOf(model, choice));
    return looked.map(batchOf(pair.pred), batchOf(pair.target), { hooks: true });
  };
  looking.later(120, work, ({ hooks: found }) => {
    seen.value = { hooks: found, on: pair.pred };
    if (found.every(({ index }) => index !== shownHook.peek())) shownHook.value = undefined;
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
