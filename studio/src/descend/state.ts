/** Two descents to the same target, step by step: under the loss of Look, and under L1. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { GlobalPercLoss, nn } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { blurred, noise } from '../engine/degrade.js';
import { messageOf } from '../engine/errors.js';
import { resized, sidesOf } from '../engine/image.js';
import { configOf } from '../look/config.js';
import * as look from '../look/state.js';
import type { Series } from '../ui/chart-scale.js';
import { Descent } from './descent.js';

/** Where a descent begins. */
export const STARTS = {
  noise: (target: ImageTensor) => noise(sidesOf(target), 7),
  'a blurred target': (target: ImageTensor) => blurred(target, 8),
  'the prediction of Look': (target: ImageTensor) =>
    look.prediction.value ? resized(look.prediction.value.image, sidesOf(target)) : target,
} satisfies Record<string, (target: ImageTensor) => ImageTensor>;

export type StartName = keyof typeof STARTS;

/** A descent rests by itself after as many steps. */
const REST = 400;

export const startFrom = signal<StartName>('a blurred target');
export const side = signal(160);
export const lr = signal(0.005);
/** Whether both images are moved by a few pixels, another way in each step: details that the loss sees at one place alone do not last. */
export const shifted = signal(true);
const SHIFT = { randomShift: 6 };

export const running = signal(false);
export const problem = signal<string | undefined>(undefined);
/** Milliseconds of a step. */
export const pace = signal<number | undefined>(undefined);

/** What is shown of the two descents. */
export interface Shown {
  readonly steps: number;
  readonly images: readonly [perceptual: ImageTensor, l1: ImageTensor];
  readonly series: readonly Series[];
}

export const shown = signal<Shown | undefined>(undefined);

/** Look's target in the size of the descent. */
export const target = computed(() => {
  const image = look.target.value?.image;
  if (!image) return undefined;
  const [height, width] = sidesOf(image);
  const scale = Math.min(1, side.value / Math.max(height, width));
  return resized(image, [Math.round(height * scale), Math.round(width * scale)]);
});

export const ready = computed(
  () => look.loaded.value !== undefined && look.selected.value.size > 0 && target.value !== undefined,
);

/** How often a descent was begun anew. */
const begun = signal(0);

let descents: readonly [Descent, Descent] | undefined;

/** What is at work, so that nothing is begun twice. */
let working: Promise<void> = Promise.resolve();

// Another target, start, size or loss: another descent.
effect(() => {
  const [model, choice, image] = [look.loaded.value, look.chosen.value, target.value];
  begun.value;
  const [begin, shift] = [STARTS[startFrom.value], shifted.value];
  untracked(() => {
    running.value = false;
    problem.value = undefined;
    for (const descent of descents ?? []) void descent.dispose();
    descents = undefined;
    shown.value = undefined;
    if (!model || !image || choice.selected.size === 0) return;
    const start = begin(image);
    const perceptual = new GlobalPercLoss(model.model, configOf(model, choice, shift ? [SHIFT] : []));
    descents = [new Descent(perceptual, start, image, shift), new Descent(new nn.L1Loss(), start, image)];
    show();
  });
});

function show(): void {
  if (!descents) return;
  const [perceptual, l1] = descents;
  shown.value = {
    steps: perceptual.values.length,
    images: [perceptual.image, l1.image],
    series: [
      { name: 'the loss of Look', colour: '--accent', points: perceptual.shares },
      { name: 'L1', colour: '--second', points: l1.shares },
    ],
  };
}

/** Begins anew. */
export function reset(): void {
  begun.value += 1;
}

/** One step of both. */
export function step(): Promise<void> {
  working = working.then(takeStep);
  return working;
}

async function takeStep(): Promise<void> {
  const own = descents;
  if (!own) return;
  try {
    const began = performance.now();
    await Promise.all(own.map((descent) => descent.step(lr.value)));
    if (own !== descents) return;
    pace.value = performance.now() - began;
    problem.value = undefined;
    show();
  } catch (error) {
    if (own !== descents) return;
    running.value = false;
    problem.value = messageOf(error);
  }
}

let walks = 0;

/** Steps until it is paused, or rests. */
export async function run(): Promise<void> {
  if (running.value) return;
  running.value = true;
  // What was paused and is gone on with at once may not have noticed the pause.
  walks += 1;
  const own = walks;
  const until = (shown.value?.steps ?? 0) + REST;
  while (running.value && own === walks && (shown.value?.steps ?? until) < until) await step();
  if (own === walks) running.value = false;
}

export function pause(): void {
  running.value = false;
}
