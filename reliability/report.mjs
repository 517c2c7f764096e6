/** The results of whole runs, and the page that is written from them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, platform } from 'node:os';
import { at } from './common.mjs';

/** @typedef {import('./run.mjs').Result & { where: string }} Kept */

const RESULTS = at('results.json');
const { version } = JSON.parse(readFileSync(at('../node_modules/onnxruntime-node/package.json'), 'utf8'));

/** Keeps the result of a scenario, and writes the page anew. @param {string} name @param {import('./run.mjs').Result} result */
export function keep(name, result) {
  /** @type {Record<string, Kept>} */
  const known = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  const where = `Node ${process.version}, ONNX Runtime ${version}, ${platform()} ${arch()}, ${availableParallelism()} cores`;
  known[name] = { ...result, lost: result.lost.slice(0, 10), where };
  const sorted = Object.fromEntries(Object.entries(known).sort(([a], [b]) => a.localeCompare(b)));
  writeFileSync(RESULTS, `${JSON.stringify(sorted, undefined, 2)}\n`);
  writeFileSync(at('../RELIABILITY.md'), page(sorted));
}

/** @param {Record<string, Kept>} results */
function page(results) {
  const rows = Object.entries(results).map(
    ([name, { tried, lost, found, seconds }]) =>
      `| [${name}](reliability/scenarios/${name}.mjs) | ${tried} | ${lost.length === 0 ? 'nothing' : `${lost.length}: ${lost[0]}`} | ${found} | ${seconds} |`,
  );
  const where = new Set(Object.values(results).map((result) => result.where));
  return `${readFileSync(at('about.md'), 'utf8')}
| scenario | tried | lost | found | s |
| --- | --- | --- | --- | --: |
${rows.join('\n')}

${[...where].join('; ')}.
`;
}
