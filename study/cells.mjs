/**
 * The cells of the study, in the order they are done: ladders, then the students of seed 0, 1, 2.
 *
 * @typedef {import('./results.mjs').Key} Key
 * @typedef {import('./training.mjs').Sizes} Sizes
 * @typedef {{ key: Key, label: string, run: () => Promise<unknown> }} Cell
 */
import { mkdirSync } from 'node:fs';
import { Climber, LADDER_SIDE, RUNGS } from './ladders.mjs';
import { MAIN, VARIATIONS } from './losses.mjs';
import { patchStudent, SHIFTS } from './patches.mjs';
import { TASKS } from './tasks.mjs';
import { Studio } from './training.mjs';

/** @type {Sizes} */
export const SIZES = { steps: 150, batch: 8, side: 64 };
export const SEEDS = 3;

/** The task that single factors are varied on. */
export const FIRST_TASK = /** @type {import('./tasks.mjs').Task} */ (TASKS[0]);

/** The losses of a task. @param {import('./tasks.mjs').Task} task */
export const recipesOf = (task) => (task === FIRST_TASK ? [...MAIN, ...Object.values(VARIATIONS).flat()] : MAIN);

/** @param {import('./ladders.mjs').Rung} rung @returns {Key} */
export const ladderKey = ({ name, what }) => ({ kind: 'ladder', name, what, side: LADDER_SIDE });

/** @param {string} task @param {import('./losses.mjs').Recipe} recipe @param {number} seed @param {Sizes} sizes @returns {Key} */
export const trainingKey = (task, { name, terms }, seed, sizes) => ({
  kind: 'training',
  task,
  name,
  terms,
  seed,
  sizes,
});

/** @param {string} name @param {number} seed @param {Sizes} sizes @returns {Key} */
export const patchesKey = (name, seed, { steps, batch }) => ({ kind: 'patches', name, seed, sizes: { steps, batch } });

/** @param {string} task @returns {Key} */
export const inputKey = (task) => ({ kind: 'training', task, name: 'input' });

/** @param {Sizes} sizes @param {number} seeds @param {string} samples @returns {Cell[]} */
export function cellsOf(sizes, seeds, samples) {
  for (const folder of [...TASKS.map(({ name }) => name), 'patches'])
    mkdirSync(`${samples}/${folder}`, { recursive: true });
  const climber = new Climber();
  const studio = new Studio(sizes, samples);
  /** @type {Cell[]} */
  const cells = RUNGS.map((rung) => ({
    key: ladderKey(rung),
    label: `ladder ${rung.name}`,
    run: () => climber.climb(rung),
  }));
  for (const task of TASKS) {
    cells.push({ key: inputKey(task.name), label: `${task.name} input`, run: () => studio.untrained(task) });
  }
  for (let seed = 0; seed < seeds; seed += 1) {
    for (const task of TASKS) {
      for (const recipe of recipesOf(task)) {
        const run = () => studio.trained(task, recipe, seed);
        cells.push({
          key: trainingKey(task.name, recipe, seed, sizes),
          label: `${task.name} ${recipe.name} ${seed}`,
          run,
        });
      }
    }
    for (const name of Object.keys(SHIFTS)) {
      const run = () => patchStudent(name, seed, sizes, `${samples}/patches`);
      cells.push({ key: patchesKey(name, seed, sizes), label: `patches ${name} ${seed}`, run });
    }
  }
  return cells;
}
