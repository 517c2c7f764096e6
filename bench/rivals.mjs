/**
 * globalperc against today's PyTorch: loss and gradient of pretrained architectures, a training step, first gradients, peak memory.
 *
 *   npm run build && node bench/rivals.mjs [--rounds 5] [--only VGG16] [--without compiled] [--out BENCHMARKS.md] [--json results.json]
 *
 * Needs Python ≥ 3.10 and nothing else: PyTorch comes into a virtual environment in bench/rivals/work. Each variant is a process of its own, so that
 * its peak memory is known; they take one step each in turn, and medians are compared.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './median.mjs';
import { report } from './rivals/report.mjs';

/**
 * @typedef {{ shape: number[], other?: number[], student?: string, memory?: string, long?: true, variants: string[] }} Workload
 * @typedef {{ ms: number, mb: number }} Measured
 * @typedef {{ name: string, operations: number, cached: number, theirs: Record<string, Measured | undefined>, ours: Record<string, Measured>,
 *   first: number, second?: number, again?: number }} Row
 *
 * What is long takes one round, and nothing but its step is measured.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    without: { type: 'string', multiple: true, default: [] },
    out: { type: 'string', default: 'BENCHMARKS.md' },
    json: { type: 'string' },
  },
});

const at = (/** @type {string} */ path) => fileURLToPath(new URL(`rivals/${path}`, import.meta.url));
const WORK = at('work');
const PYTHON = `${WORK}/venv/bin/python`;
/** @type {Record<string, Workload>} */
const WORKLOADS = JSON.parse(readFileSync(at('workloads.json'), 'utf8'));

/** @param {string} command @param {string[]} options */
const shown = (command, options) => execFileSync(command, options, { stdio: ['ignore', 'ignore', 'inherit'] });

function prepare() {
  mkdirSync(WORK, { recursive: true });
  if (existsSync(PYTHON)) return;
  console.log('a virtual environment with PyTorch: some minutes, once');
  shown('python3', ['-m', 'venv', `${WORK}/venv`]);
  shown(PYTHON, ['-m', 'pip', 'install', '--quiet', 'torch>=2.15', 'torchvision', 'onnx', 'onnxscript']);
}

/** The teacher as a file; made once. @param {string} name */
function exported(name) {
  const path = `${WORK}/${name.replace(/[^\w-]+/g, '_')}.onnx`;
  if (!existsSync(path)) shown(PYTHON, [at('theirs.py'), 'export', name, path]);
  return path;
}

/**
 * A side: a process that says what it is, and then takes a step whenever it is told to.
 * @param {string} command @param {string[]} options @param {string} [cache] of our compiled programs: a folder
 */
async function side(command, options, cache = 'off') {
  const env = { ...process.env, GLOBALPERC_CACHE: cache };
  const child = spawn(command, options, { stdio: ['pipe', 'pipe', 'pipe'], env });
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint = `${complaint}${text}`.slice(-2000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value } = await lines.next();
    if (value === undefined) throw new Error(complaint.trim().split('\n').at(-1) || 'it ended');
    return JSON.parse(value);
  };
  return {
    begun: await answer(),
    /** @returns {Promise<Measured>} */
    step: () => {
      child.stdin.write('\n');
      return answer();
    },
    stop: () => child.kill(),
  };
}

/** Medians of steps in turn; of two in a row the second counts, since a system may have taken what a process held while others worked. @param {Map<string, Awaited<ReturnType<typeof side>>>} sides @param {number} rounds */
async function inTurn(sides, rounds) {
  /** @type {Map<string, Measured[]>} */
  const taken = new Map(Array.from(sides.keys(), (name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, { step }] of sides) {
      await step();
      taken.get(name)?.push(await step());
    }
  const figures = Array.from(taken, ([name, steps]) => {
    const figure = { ms: median(steps.map(({ ms }) => ms)), mb: Math.max(...steps.map(({ mb }) => mb)) };
    return /** @type {const} */ ([name, figure]);
  });
  return new Map(figures);
}

/** @param {string} name @param {Workload} workload @returns {Promise<Row>} */
async function measured(name, workload) {
  const model = exported(name);
  const arithmetic = JSON.parse(execFileSync(PYTHON, [at('theirs.py'), 'arithmetic', name], { encoding: 'utf8' }));
  rates.push(arithmetic.rate);
  const times = workload.long ? {} : await firstGradients(name, model);
  const sides = new Map();
  for (const variant of workload.student || workload.long ? ['ours'] : ['ours', 'encoded'])
    sides.set(variant, await side('node', [at('ours.mjs'), name, variant, model]));
  for (const variant of workload.variants.filter((each) => !values.without.includes(each))) {
    try {
      sides.set(`torch ${variant}`, await side(PYTHON, [at('theirs.py'), 'run', name, variant]));
    } catch (error) {
      console.log(`  PyTorch, ${variant}: ${/** @type {Error} */ (error).message}`);
    }
  }
  const figures = await inTurn(sides, workload.long ? 1 : Number(values.rounds));
  const { first } = sides.get('ours').begun;
  for (const { stop, begun } of sides.values()) {
    stop();
    if (!begun.version.startsWith('v')) versions.add(begun.version);
  }
  const theirs = Object.fromEntries(workload.variants.map((variant) => [variant, figures.get(`torch ${variant}`)]));
  const ours = Object.fromEntries(Array.from(figures).filter(([variant]) => !variant.startsWith('torch ')));
  const titled = workload.memory ? `${name}, \`memory: '${workload.memory}'\`` : name;
  return { name: titled, operations: arithmetic.operations, cached: arithmetic.cached, theirs, ours, first, ...times };
}

/** Milliseconds to the first gradient, to that of another size, and to the first of a process that finds the programs of another. @param {string} name @param {string} model */
async function firstGradients(name, model) {
  const cache = mkdtempSync(join(tmpdir(), 'programs-'));
  const begun = async () => {
    const { begun, stop } = await side('node', [at('ours.mjs'), name, 'sizes', model], cache);
    stop();
    return begun;
  };
  const { first, second } = await begun();
  const { first: again } = await begun();
  rmSync(cache, { recursive: true });
  return { first, second, again };
}

/** What there is so far: a run that is stopped has not measured in vain. */
function written() {
  const machine = { rate: median(rates), torch: [...versions].join(', '), rounds: Number(values.rounds) };
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  if (values.only === '') writeFileSync(values.out, report(machine, rows));
}

/** @type {number[]} */
const rates = [];
/** @type {Set<string>} */
const versions = new Set();
/** @type {Row[]} */
const rows = [];
prepare();
for (const [name, workload] of Object.entries(WORKLOADS)) {
  if (!name.includes(values.only)) continue;
  console.log(name);
  const row = await measured(name, workload);
  rows.push(row);
  written();
  for (const [who, figures] of [
    ['PyTorch', row.theirs],
    ['globalperc', row.ours],
  ])
    for (const [variant, figure] of Object.entries(/** @type {Row['theirs']} */ (figures)))
      if (figure) console.log(`  ${who}, ${variant}: ${figure.ms.toFixed(0)} ms, peak ${figure.mb.toFixed(0)} MB`);
}
