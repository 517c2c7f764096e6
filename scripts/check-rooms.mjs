/**
 * Checks the arrows between the rooms of src/: who may import whom, that no files import each other in a circle, be it for types,
 * that Node's own modules stay behind the entries that need them, that files load without optional packages, and that
 * ARCHITECTURE.md says the same. Exits 1 and lists every offence.
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
  peers: ['graph'],
  runtime: ['graph', 'options', 'onnx', 'files', 'peers'],
  passes: ['graph', 'ops', 'runtime'],
  compile: ['graph', 'ops', 'passes', 'runtime'],
  modules: ['graph', 'options'],
  random: ['graph'],
  nn: ['graph', 'options', 'ops', 'random'],
  zoo: ['graph', 'options', 'ops', 'nn'],
  optim: ['graph', 'options'],
  transforms: ['graph', 'options', 'ops'],
  hub: ['graph', 'files', 'peers'],
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
    'transforms',
    'nn',
    'model',
    'hub',
    'random',
    'data/byte-cursor.ts',
    'data/dataset.ts',
    'data/safetensors.ts',
    'data/torch-file.ts',
  ],
  data: ['graph', 'options', 'random', 'files', 'peers', 'transforms/size.ts'],
  files: ['graph', 'options'],
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
  adversarial: [
    ...[
      'graph',
      'options',
      'autodiff',
      'passes',
      'runtime',
      'nn',
      'model',
      'modules',
      'transforms',
      'loss',
      'optim',
      'train',
    ],
  ],
  diffusion: [
    'graph',
    'options',
    'ops',
    'nn',
    'model',
    'loss',
    'compile',
    'runtime',
    'random',
    'data/state-dict.ts',
    'data/safetensors.ts',
    'files',
    'hub',
  ],
  adapters: ['index.ts', 'options'],
  cli: ['index.ts', 'data/index.ts', 'data/browser.ts', 'diffusion/index.ts', 'options', 'files', 'peers'],
};
const NODE_ONLY =
  /^src\/(cli|files|data\/(folder|image|index|parquet|picture|tar|tensorboard)|diffusion\/(folder|index)|hub\/(node|cache|connection|download|partial|remote|torch-cache)|runtime\/(platform-node|node-worker))/;
/** Files that only those load who have the optional package that they need. */
const NEED_PEER = /^src\/(adapters\/(jax|tfjs)\/|runtime\/web-worker)/;
const RUNTIME_PACKAGE = /^onnxruntime-(node|web)$/;

const files = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));

/** What the names in package.json's `imports` stand for in Node. */
const ALIASES = { '#platform': 'src/runtime/platform-node.ts', '#hub': 'src/hub/node.ts' };

/** What a file imports, types and dynamic imports included: paths inside src, or package names. */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const statements = text.matchAll(/^\s*(?:import|export)\s[^;'"]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'/gm);
  const calls = text.matchAll(/\bimport\(\s*'([^']+)'/g);
  return [...statements, ...calls].map(([, first, second]) => {
    const specifier = first ?? second;
    if (specifier in ALIASES) return ALIASES[specifier];
    return specifier.startsWith('.') ? normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts') : specifier;
  });
}

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

/** The packages that a file needs in order to load, without what it imports by a call or for types. */
function packagesOf(file) {
  const statements = readFileSync(file, 'utf8').matchAll(
    /^\s*(?:import|export)\s(?!type\s)(?:[^;'"]*?\sfrom\s+)?'([\w@][^']*)'/gm,
  );
  return Array.from(statements, ([, specifier]) => specifier).filter((specifier) => !specifier.startsWith('node:'));
}

/** The package of a path in it. */
const packageOf = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const offences = [];

for (const [file, imports] of graph) {
  const room = relative('src', file).split('/')[0];
  for (const target of packagesOf(file)) {
    if (!(packageOf(target) in dependencies) && !NEED_PEER.test(file))
      offences.push(`${file} must not import ${target} but through loadPeer: it is optional`);
  }
  const allowed = ROOMS[room];
  for (const target of imports) {
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

/** Depth-first search for a circle: files that can only be understood together. */
function findCycle(file, trail, done) {
  if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const target of graph.get(file) ?? []) {
    const cycle = findCycle(target, [...trail, file], done);
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

const architecture = readFileSync('ARCHITECTURE.md', 'utf8');
for (const [room, allowed] of Object.entries(ROOMS)) {
  const row = new RegExp(`^\\| \`${room}/\` \\|[^|]*\\| ${allowed.join(', ') || '–'} \\|$`, 'm');
  if (!row.test(architecture))
    offences.push(`ARCHITECTURE.md does not say that ${room}/ may import ${allowed.join(', ') || 'nothing'}`);
}

for (const offence of offences) console.error(offence);
console.log(`${files.length} files, ${offences.length} offences against the rooms`);
process.exit(offences.length > 0 ? 1 : 0);
