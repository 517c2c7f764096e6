/** Tables of the report, as Markdown. */
import { FIRST_TASK, inputKey, ladderKey, patchesKey, trainingKey } from './cells.mjs';
import { blurAt, LADDERS, STRENGTHS } from './distortions.mjs';
import { JUDGES } from './judges.mjs';
import { RUNGS } from './ladders.mjs';
import { SHIFTS } from './patches.mjs';
import { PHOTOGRAPHS } from './photographs.mjs';
import { mean, rankCorrelation, spread } from './statistics.mjs';

/**
 * @typedef {import('./results.mjs').Results} Results
 * @typedef {import('./training.mjs').Sizes} Sizes
 * @typedef {import('./losses.mjs').Recipe} Recipe
 * @typedef {{ name: string, higherIsBetter: boolean, digits: number }} Column
 * @typedef {{ name: string, seeds: number, values: Readonly<Record<string, readonly number[]>> }} Row values: by column, one per seed
 */

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function markdown(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

/** A minus that is one. @param {number} value @param {number} digits */
const fixed = (value, digits) => (Number.isNaN(value) ? '–' : value.toFixed(digits).replace('-', '−'));

/** Results of all seeds. @param {Results} results @param {string} name @param {(seed: number) => import('./results.mjs').Key} key @param {number} seeds @returns {Row} */
function rowOf(results, name, key, seeds) {
  const found = Array.from({ length: seeds }, (_, seed) => results.get(key(seed))).filter(
    (result) => result !== undefined,
  );
  const whole = found.filter(({ judges }) => judges !== undefined);
  /** @type {Record<string, number[]>} */
  const values = {};
  for (const { judges } of whole) {
    for (const [judge, value] of Object.entries(judges)) values[judge] = [...(values[judge] ?? []), Number(value)];
  }
  const broken = found.length - whole.length;
  return { name: broken > 0 ? `${name} (${broken} of ${found.length} broke down)` : name, seeds: found.length, values };
}

/** Rows of the losses of a task that have results. @param {Results} results @param {string} task @param {readonly Recipe[]} recipes @param {Sizes} sizes @param {number} seeds */
export const rowsOf = (results, task, recipes, sizes, seeds) =>
  recipes
    .map((recipe) => rowOf(results, recipe.name, (seed) => trainingKey(task, recipe, seed, sizes), seeds))
    .filter((row) => row.seeds > 0);

/** @param {Results} results @param {string} task */
export const inputRow = (results, task) => rowOf(results, 'input, untouched', () => inputKey(task), 1);

/** Mean ± spread by column, the best mean bold. @param {string} head @param {readonly Column[]} columns @param {readonly Row[]} rows @param {readonly Row[]} others rows that do not compete */
export function meansTable(head, columns, rows, others = []) {
  const best = columns.map(({ name, higherIsBetter }) => {
    const means = rows.flatMap(({ values }) => (values[name] ? [mean(values[name])] : []));
    return higherIsBetter ? Math.max(...means) : Math.min(...means);
  });
  /** @param {Row} row @param {boolean} competes */
  const line = ({ name, seeds, values }, competes) => [
    name,
    ...columns.map((column, i) => {
      const cell = values[column.name];
      if (cell === undefined) return '–';
      const text = fixed(mean(cell), column.digits);
      const shown = competes && mean(cell) === best[i] ? `**${text}**` : text;
      return cell.length > 1 ? `${shown} ± ${fixed(spread(cell), column.digits)}` : shown;
    }),
    competes ? String(seeds) : '',
  ];
  const heads = columns.map(({ name, higherIsBetter }) => `${name} ${higherIsBetter ? '↑' : '↓'}`);
  return markdown(
    [head, ...heads, 'seeds'],
    [...others.map((row) => line(row, false)), ...rows.map((row) => line(row, true))],
  );
}

/** @param {Results} results @param {readonly Recipe[]} recipes @param {Sizes} sizes @param {number} seeds */
export function factorTable(results, recipes, sizes, seeds) {
  const rows = rowsOf(results, FIRST_TASK.name, recipes, sizes, seeds);
  return rows.length === 0 ? undefined : meansTable('loss', JUDGES, rows);
}

/** @param {Results} results @param {Sizes} sizes @param {number} seeds */
export function patchesTable(results, sizes, seeds) {
  const rows = Object.keys(SHIFTS)
    .map((name) => rowOf(results, name, (seed) => patchesKey(name, seed, sizes), seeds))
    .filter((row) => row.seeds > 0);
  const columns = [
    { name: 'grid energy', higherIsBetter: false, digits: 3 },
    { name: 'its share', higherIsBetter: false, digits: 3 },
    ...JUDGES,
  ];
  const shown = columns.filter(({ name }) => rows.some(({ values }) => values[name] !== undefined));
  return rows.length === 0 ? undefined : meansTable('teacher', shown, rows);
}

export const photographsTable = () =>
  markdown(
    ['photograph', 'from', 'licence', 'shrunk by', 'split'],
    PHOTOGRAPHS.map(({ name, from, licence, shrink, split }) => [name, from, licence, String(shrink), split]),
  );

/** @typedef {import('./ladders.mjs').Values} Values */

/** The losses whose ladders are there. @param {Results} results */
const climbed = (results) =>
  RUNGS.flatMap((rung) => {
    /** @type {Values | undefined} */
    const values = results.get(ladderKey(rung));
    return values ? [{ name: rung.name, judge: typeof rung.what === 'object' && 'judge' in rung.what, values }] : [];
  });

/** Over all photographs together: whether a value means the same on each. @param {readonly (readonly number[])[]} rows */
const together = (rows) =>
  rankCorrelation(
    rows.flat(),
    rows.flatMap(() => STRENGTHS),
  );

/** @param {Results} results */
export function ladderTable(results) {
  const kinds = Object.keys(LADDERS);
  const rows = climbed(results).map(({ name, judge, values }) => {
    const correlations = kinds.map((kind) => together(values[kind] ?? []));
    const alone = kinds.flatMap((kind) => (values[kind] ?? []).map((row) => rankCorrelation(row, STRENGTHS)));
    const numbers = [...correlations, mean(correlations), Math.min(...alone)];
    return [judge ? `*${name}*` : name, ...numbers.map((number) => fixed(number, 2))];
  });
  return rows.length === 0 ? undefined : markdown(['loss', ...kinds, 'mean', 'least of one photograph'], rows);
}

/** Strength of the blur that the trap sets against a shift of one pixel. */
const TRAP = 5;
/** What the trap's blur is, in pixels. */
export const TRAP_BLUR = blurAt(TRAP);

/** Standard deviation of the blur that costs as much as a shift by one pixel; beyond the ladder, its end. @param {readonly number[]} blurs @param {number} cost */
function equalBlur(blurs, cost) {
  const above = blurs.findIndex((value) => value >= cost);
  if (above < 0) return blurAt(STRENGTHS.length);
  if (above === 0) return (blurAt(1) * cost) / (blurs[0] ?? cost);
  const [low = 0, high = 0] = [blurs[above - 1], blurs[above]];
  return blurAt(above + (cost - low) / (high - low));
}

/** What a shift by one pixel costs, as a share of the blur's and as a blur. @param {Results} results */
export const traps = (results) =>
  climbed(results).map(({ name, judge, values: { blur = [], shift = [] } }) => {
    const costs = shift.map((row, i) => ({ shift: row[0] ?? 0, blur: blur[i]?.[TRAP - 1] ?? 0, blurs: blur[i] ?? [] }));
    return {
      name,
      judge,
      // Judges that fall with the distortion are kept with their sign changed: there is nothing to divide.
      share: mean(costs.map((cost) => (cost.shift < 0 ? Number.NaN : cost.shift / cost.blur))),
      fallenFor: costs.filter((cost) => cost.shift >= cost.blur).length,
      of: costs.length,
      equal: mean(costs.map((cost) => equalBlur(cost.blurs, cost.shift))),
    };
  });

/** @param {Results} results */
export function trapTable(results) {
  const rows = traps(results).map(({ name, judge, fallenFor, of, share, equal }) => [
    judge ? `*${name}*` : name,
    fixed(share, 2),
    `${fallenFor} of ${of}`,
    fixed(equal, 2),
  ]);
  return markdown(['loss', 'shift ÷ blur', 'prefers the blur', 'equal blur'], rows);
}
