/**
 * The study. Stop it at any time and start it again: finished cells are kept in study/results.jsonl and not done twice.
 *
 *   python study/make_inputs.py && npm run study
 *
 * `node study/run.mjs --out FOLDER --report FOLDER/STUDY.md --steps 3 --seeds 1` tries everything out elsewhere; `--only ladder|training|patches` is a part,
 * `--match TEXT` the cells whose key contains it.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { GlobalPercError } from '../dist/index.js';
import { cellsOf, SEEDS, SIZES } from './cells.mjs';
import { writeReport } from './report.mjs';
import { Results } from './results.mjs';
import { requireInputs } from './teachers.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    report: { type: 'string', default: fileURLToPath(new URL('../STUDY.md', import.meta.url)) },
    steps: { type: 'string', default: String(SIZES.steps) },
    seeds: { type: 'string', default: String(SEEDS) },
    only: { type: 'string', default: '' },
    match: { type: 'string', default: '' },
  },
});
requireInputs();
await mkdir(values.out, { recursive: true });
const results = await Results.open(`${values.out}/results.jsonl`);
const sizes = { ...SIZES, steps: Number(values.steps) };
const cells = cellsOf(sizes, Number(values.seeds), `${values.out}/data/samples`).filter(
  ({ key }) => (values.only === '' || key.kind === values.only) && JSON.stringify(key).includes(values.match),
);
const left = cells.filter(({ key }) => !results.has(key));
for (const [i, { key, label, run }] of left.entries()) {
  const start = performance.now();
  await results.add(key, await finished(run));
  const seconds = (performance.now() - start) / 1000;
  console.log(`${i + 1}/${left.length} ${label}: ${seconds.toFixed(0)} s`);
}
await writeReport(results, sizes, Number(values.seeds), values.out, values.report);

/** What a cell comes to; a training that breaks down is a result too. @param {() => Promise<unknown>} run */
async function finished(run) {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof GlobalPercError && error.code === 'not-finite')) throw error;
    return { brokenDown: error.message };
  }
}
