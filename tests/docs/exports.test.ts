/** Everything public is named in the documentation. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DOCUMENTS, ROOT, textOf } from './documents.js';

const words = new Set(DOCUMENTS.flatMap((document) => textOf(document).match(/[A-Za-z_]\w*/g) ?? []));

/** An object that holds functions alone, such as `nn` and `nn.functional`. */
const isNamespace = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((member) => typeof member === 'function' || isNamespace(member));

const namesIn = (space: object): string[] =>
  Object.entries(space).flatMap(([name, value]) => [name, ...(isNamespace(value) ? namesIn(value) : [])]);

/** Names that an entry exports: what its code holds, and the types of its declarations. */
async function namesOf(entry: string): Promise<string[]> {
  const declarations = readFileSync(`${ROOT}/dist/${entry}.d.ts`, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const listed = Array.from(declarations.matchAll(/^export (?:type )?\{([^}]*)\}/gm), ([, names]) => names as string)
    .flatMap((names) => names.split(','))
    .map((name) => name.trim().replace(/^type /, ''));
  const declared = Array.from(
    declarations.matchAll(/^export (?:declare )?(?:interface|type|class|function|const) (\w+)/gm),
    ([, name]) => name as string,
  );
  const names = [...listed, ...declared, ...namesIn(await import(`${ROOT}/dist/${entry}.js`))];
  return [...new Set(names)].filter((name) => name !== '');
}

it.each(['index', 'data/index', 'diffusion/index', 'adapters/jax/index', 'adapters/tfjs/index'])(
  'all that %s exports',
  async (entry) => {
    const names = await namesOf(entry);
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !words.has(name))).toEqual([]);
  },
);
