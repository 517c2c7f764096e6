/** What the documentation says of bundlers. */
import { readFileSync } from 'node:fs';
import { ROOT } from './consumer.js';

/** The code blocks under a heading of docs/bundlers.md. */
export function blocksUnder(heading: string): string[] {
  const text = readFileSync(`${ROOT}docs/bundlers.md`, 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return Array.from(section.matchAll(/```\w+\n([^`]*)```/g), ([, block]) => block as string);
}
