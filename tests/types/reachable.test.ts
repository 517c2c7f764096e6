/** Every type that a public declaration names can be imported by its user: read from the emitted declarations. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

interface Declaration {
  readonly name: string;
  readonly text: string;
}

interface Declarations {
  /** Of this file, by local name. */
  readonly own: ReadonlyMap<string, Declaration>;
  /** File and original name of what is imported or handed on, by local name. */
  readonly from: ReadonlyMap<string, readonly [file: string, name: string]>;
  readonly exported: ReadonlySet<string>;
  /** Files of which everything is exported, under a namespace or not. */
  readonly all: readonly (readonly [file: string, namespace: string | undefined])[];
}

const read = new Map<string, Declarations>();

function declarationsOf(file: string): Declarations {
  const known = read.get(file);
  if (known) return known;
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const from = new Map<string, readonly [string, string]>();
  const exported = new Set<string>();
  const all: (readonly [string, string | undefined])[] = [];
  const target = (specifier: string): string => join(dirname(file), specifier.replace(/\.js$/, '.d.ts'));
  for (const [, kind, names, specifier] of text.matchAll(
    /^(import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(\.[^']*)'/gm,
  )) {
    for (const part of (names ?? '').split(',').filter((entry) => entry.trim() !== '')) {
      const [name = '', local = name] = part
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/);
      from.set(local, [target(specifier as string), name]);
      if (kind === 'export') exported.add(local);
    }
  }
  for (const [, namespace, specifier] of text.matchAll(/^export\s+\*\s+(?:as\s+(\w+)\s+)?from\s+'(\.[^']*)'/gm)) {
    all.push([target(specifier as string), namespace]);
  }
  const own = new Map<string, Declaration>();
  const parts = text.split(
    /^(?=(?:export\s+)?(?:declare\s+)?(?:abstract\s+)?(?:class|interface|type|const|function|enum)\s)/m,
  );
  for (const part of parts) {
    const [, isExported, name] =
      /^(export\s+)?(?:declare\s+)?(?:abstract\s+)?(?:class|interface|type|const|function|enum)\s+(\w+)/.exec(part) ??
      [];
    if (name === undefined) continue;
    // A private member shows no type; those of overloads and merged interfaces belong together.
    own.set(name, { name, text: `${own.get(name)?.text ?? ''}${part.replace(/^\s*private .*$/gm, '')}` });
    if (isExported) exported.add(name);
  }
  const found = { own, from, exported, all };
  read.set(file, found);
  return found;
}

/** Where a name is declared. */
function origin(file: string, name: string): string | undefined {
  const { own, from, all } = declarationsOf(file);
  if (own.has(name)) return `${file}#${name}`;
  const imported = from.get(name);
  if (imported) return origin(...imported);
  for (const [target, namespace] of all) {
    const found =
      namespace === undefined && declarationsOf(target).exported.size > 0 ? origin(target, name) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** All that an entry exports, namespaces included: where it is declared. */
function reachableFrom(file: string): Set<string> {
  const { exported, all } = declarationsOf(file);
  const names = [...exported].flatMap((name) => origin(file, name) ?? []);
  return new Set([...names, ...all.flatMap(([target]) => [...reachableFrom(target)])]);
}

/** Parts of the inside that a declaration shows and no user has a use for: what they hold is not theirs to write. */
const OPAQUE = new Set([
  ...['EngineRequest', 'PerceptualDescription', 'ModelOptions', 'EmitOptions', 'InferFunction'],
  ...['Attributes', 'FilePlace', 'BYTES', 'GraphOf', 'LabelDescription', 'Recipe', 'LoraHost', 'LoraSite'],
  ...['Computed', 'Runnable'],
]);

/** Layers show their common bases. */
const LAYERS = /[/\\](nn|zoo)[/\\]/;

/** Names in a public declaration that no user can import. */
function unreachable(entry: string): string[] {
  const reachable = new Set([...reachableFrom(join(dist, 'index.d.ts')), ...reachableFrom(join(dist, entry))]);
  return [...reachableFrom(join(dist, entry))].flatMap((place) => {
    const [file, name] = place.split('#') as [string, string];
    if (LAYERS.test(file)) return [];
    const { own, from } = declarationsOf(file);
    const words = new Set(own.get(name)?.text.match(/\b[A-Z]\w*/g));
    return [...words]
      .filter((word) => word !== name && !OPAQUE.has(word) && (own.has(word) || from.has(word)))
      .filter((word) => !reachable.has(origin(file, word) ?? ''))
      .map((word) => `${name} names ${word}`);
  });
}

it.each(['index.d.ts', 'data/index.d.ts', 'jax/index.d.ts', 'tfjs/index.d.ts'])('%s', (entry) => {
  const path = entry.replace(/^(jax|tfjs)/, 'adapters/$1');
  expect(reachableFrom(join(dist, path)).size).toBeGreaterThan(3);
  expect(unreachable(path)).toEqual([]);
});
