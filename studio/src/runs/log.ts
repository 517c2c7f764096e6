/** A run's `log.jsonl` as it is read: a line per step. */
import type { LogEntry } from '../../../dist/cli/log-entry.js';
import { type Point, type Series, smoothed } from '../ui/chart-scale.js';

const NUMBERS = ['step', 'loss', 'gradNorm', 'lr'] as const;

/** What is no line of a log, for a message. */
export class NotALog extends Error {}

/**
 * The entries of whole lines, and what is left of the last one: a run that is at work may just be writing it.
 * @throws NotALog for lines that hold something else.
 */
export function parseLog(text: string): { readonly entries: readonly LogEntry[]; readonly rest: string } {
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  return { entries: lines.filter((line) => line !== '').map(entryOf), rest };
}

function entryOf(line: string): LogEntry {
  const entry = parsed(line);
  if (entry && NUMBERS.every((key) => typeof entry[key] === 'number'))
    return { hooks: [], seconds: 0, ...entry } as LogEntry;
  throw new NotALog(`no log of a training: a line has step, loss, gradNorm and lr, got ${line.slice(0, 60)}`);
}

function parsed(line: string): Partial<LogEntry> | undefined {
  try {
    return JSON.parse(line) as Partial<LogEntry>;
  } catch {
    return undefined;
  }
}

/** Colours of runs, and of hooks. */
const COLOURS = ['--accent', '--second', '--third', '--bar'] as const;
export const colourOf = (index: number): string => COLOURS[index % COLOURS.length] as string;

const points = (entries: readonly LogEntry[], key: 'loss' | 'gradNorm' | 'lr'): readonly Point[] =>
  entries.map((entry) => [entry.step, entry[key]]);

/** One number of each entry as a line: smoothed, with what was measured behind it. */
export function lineOf(
  name: string,
  colour: string,
  entries: readonly LogEntry[],
  key: 'loss' | 'gradNorm' | 'lr',
): Series {
  const raw = points(entries, key);
  return key === 'lr' ? { name, colour, points: raw } : { name, colour, points: smoothed(raw), raw };
}

/** A line for each hook, by its name. */
export function hookLines(entries: readonly LogEntry[]): Series[] {
  const count = entries[0]?.hooks.length ?? 0;
  const names = entries.findLast(({ paths }) => paths !== undefined)?.paths ?? [];
  return Array.from({ length: count }, (_, i) => ({
    name: names[i] === undefined ? `hook ${i}` : names.indexOf(names[i]) === i ? names[i] : `${names[i]} #${i}`,
    colour: `--hook-${i % HOOK_COLOURS}`,
    points: smoothed(entries.map(({ step, hooks }): Point => [step, hooks[i] ?? Number.NaN])),
  }));
}

/** As many are in the style sheet. */
const HOOK_COLOURS = 8;

/** What a run has come to, in a few words. */
export function summaryOf(entries: readonly LogEntry[]): string {
  const last = entries.at(-1);
  if (!last) return 'no step yet';
  const tail = entries.slice(-50);
  const mean = tail.reduce((sum, { loss }) => sum + loss, 0) / tail.length;
  const pace = tail.reduce((sum, { seconds }) => sum + seconds, 0) / tail.length;
  return `step ${last.step} · loss ${mean.toPrecision(4)} (mean of ${tail.length}) · ${pace > 0 ? `${(1 / pace).toFixed(1)} steps/s` : ''}`;
}
