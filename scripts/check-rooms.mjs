/**
 * Checks the arrows between the rooms of src/: who may import whom, that no two modules import each other in a circle,
 * and that Node's own modules stay behind the entries that need them. Exits 1 and lists every offence.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** What each room may import besides itself. */
const ROOMS = {
  graph: [],
  options: ['graph'],
  onnx: ['graph'],
  ops: ['graph'],
  autodiff: ['graph', 'ops'],
  runtime: ['graph', 'options', 'onnx', 'files'],
  passes: ['graph', 'ops', 'runtime'],
  compile: ['graph', 'ops', 'passes', 'runtime'],
  modules: ['graph'],
  random: [],
  nn: ['graph', 'options', 'ops', 'random'],
  zoo: ['graph', 'options', 'ops', 'nn'],
  optim: ['graph', 'options', 'ops'],
  transforms: ['graph', 'options', 'ops'],
  hub: ['graph', 'options', 'files'],
  model: ['graph', 'options', 'onnx', 'ops', 'passes', 'modules', 'nn', 'runtime', 'hub', 'transforms'],
  loss: [
    'graph',
    'options',
    'compile',
    'onnx',
    'ops',
    'autodiff',
    'runtime',
    'passes',
    'modules',
    'nn',
    'transforms',
    'model',
    'random',
  ],
  data: ['graph', 'options', 'random', 'files', 'transforms/size.ts'],
  files: ['graph'],
  train: [
    ...[
      'graph',
      'options',
      'compile',
      'onnx',
      'ops',
      'autodiff',
      'passes',
      'runtime',
      'nn',
      'model',
      'transforms',
      'loss',
      'optim',
      'random',
    ],
    'data/safetensors.ts',
  ],
  adapters: ['index.ts'],
  cli: ['index.ts', 'data/index.ts', 'files'],
};
const NODE_ONLY =
  /^src\/(cli|files|data\/(folder|image|index|picture)|hub\/(node|cache|connection|download|partial|remote)|runtime\/(platform-node|node-worker))/;
const RUNTIME_PACKAGE = /^onnxruntime-(node|web)$/;

const files = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));

/** Imports of a file: resolved path inside src, or package name; and whether types alone are imported. */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'/gm);
  return Array.from(statements, ([, type, specifier]) => ({
    target: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts') : specifier,
    typeOnly: type !== undefined,
  }));
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const offences = [];

for (const [file, imports] of graph) {
  const room = relative('src', file).split('/')[0];
  const allowed = ROOMS[room];
  for (const { target } of imports) {
    const inside = target.startsWith('src/') ? relative('src', target) : undefined;
    const free =
      inside &&
      allowed &&
      (inside.startsWith(`${room}/`) || allowed.some((name) => inside === name || inside.startsWith(`${name}/`)));
    if (inside && allowed && !free) offences.push(`${file} must not import ${target}`);
    if (target.startsWith('node:') && !NODE_ONLY.test(file))
      offences.push(`${file} must not import ${target}: it must load in a browser`);
    if (RUNTIME_PACKAGE.test(target) && room !== 'runtime')
      offences.push(`${file} must not import ${target}: only runtime/ may`);
  }
}

/** Depth-first search for a circle of value imports. */
function findCycle(file, trail, done) {
  if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const { target, typeOnly } of graph.get(file) ?? []) {
    const cycle = typeOnly ? undefined : findCycle(target, [...trail, file], done);
    if (cycle) return cycle;
  }
  done.add(file);
  return undefined;
}

const done = new Set();
for (const file of files) {
  const cycle = findCycle(file, [], done);
  if (cycle) {
    offences.push(`import cycle: ${cycle.join(' → ')}`);
    break;
  }
}

for (const offence of offences) console.error(offence);
console.log(`${files.length} files, ${offences.length} offences against the rooms`);
process.exit(offences.length > 0 ? 1 : 0);
