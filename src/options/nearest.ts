/** Which known name was meant. */

/** The known name that is written most like the given one, or is short for it, if any is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((other) => [other, difference(name, other)] as const).sort(([, a], [, b]) => a - b);
  const [best] = ranked;
  return best && best[1] <= Math.max(2, Math.floor(name.length / 3)) ? best[0] : undefined;
}

function difference(name: string, other: string): number {
  const abbreviated = isShortFor(name, other) || isShortFor(other, name);
  const letters = distance(plain(name), plain(other));
  return abbreviated ? Math.min(1, letters) : letters;
}

/** Neither case nor the underscores of Python's names count. */
const plain = (name: string): string => name.toLowerCase().replaceAll('_', '');

/** Initials, as `lr` for learningRate, or the first letters with some of those behind them, as `params` for parameters. */
function isShortFor(short: string, long: string): boolean {
  const initials = long.replace(/(?<=[a-z])[a-z]+|_/gi, (rest) => rest.replace(/[^A-Z]/g, '')).toLowerCase();
  if (initials.length > 1 && initials === plain(short)) return true;
  const letters = plain(long);
  let found = 0;
  for (const letter of plain(short)) {
    const next = letters.indexOf(letter, found);
    if (next < 0 || (found < 2 && next > found)) return false;
    found = next + 1;
  }
  return short.length > 2;
}

/** Levenshtein's: how many letters must be inserted, dropped or replaced. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
