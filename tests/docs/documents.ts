/** The documentation, and the code blocks in it. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Paths from ROOT. */
export const DOCUMENTS = [
  'README.md',
  'src/diffusion/README.md',
  ...readdirSync(`${ROOT}/docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export const textOf = (document: string): string => readFileSync(`${ROOT}/${document}`, 'utf8');

export interface Block {
  /** Document, heading and number within the document, for the name of a test. */
  readonly place: string;
  readonly document: string;
  /** `ts`, `py`, `sh` …; empty where the block has none. */
  readonly language: string;
  readonly code: string;
}

/** Every fenced block of a document, without its indentation. */
function blocksOf(document: string): Block[] {
  const text = textOf(document);
  return Array.from(text.matchAll(/^( *)```(\w*)\n(.*?)\n\1```$/gms), (match, index) => {
    const [, indent = '', language = '', code = ''] = match;
    const heading =
      text
        .slice(0, match.index)
        .match(/^#+ .*$/gm)
        ?.at(-1)
        ?.replace(/^#+ /, '') ?? '';
    return {
      place: `${document}, ${heading} (${index})`,
      document,
      language,
      code: code.replaceAll(`\n${indent}`, '\n'),
    };
  });
}

export const BLOCKS: readonly Block[] = DOCUMENTS.flatMap(blocksOf);
