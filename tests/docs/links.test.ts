/** Links between the documents lead somewhere: to a file of the repository, and to a heading of it. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { DOCUMENTS, ROOT, textOf } from './documents.js';

/** As GitHub and npm make them of headings. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const anchorsOf = (document: string): string[] =>
  Array.from(textOf(document).matchAll(/^#+ (.*)$/gm), ([, heading]) => anchorOf(heading as string));

it.each(DOCUMENTS)('the links of %s', (document) => {
  const links = Array.from(textOf(document).matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link as string);
  for (const link of links.filter((link) => !/^https?:/.test(link))) {
    const [path, anchor] = link.split('#') as [string, string?];
    const target = path === '' ? document : join(dirname(document), path);
    expect(existsSync(join(ROOT, target)), link).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
  }
});
