/** The runs that are shown: those of the server, which are followed, and logs that were dropped. */
import { signal } from '@preact/signals';
import type { LogEntry } from '../../../dist/cli/log-entry.js';
import { NotALog, parseLog } from './log.js';

/** A run on the page. */
export interface ShownRun {
  readonly name: string;
  readonly entries: readonly LogEntry[];
  /** Addresses of pictures of samples, the oldest first. */
  readonly samples: readonly string[];
  /** Whether it is followed. */
  readonly live: boolean;
}

export const runs = signal<readonly ShownRun[]>([]);
export const problem = signal<string | undefined>(undefined);

/** What `/runs.json` says of a run. */
interface DescribedRun {
  readonly name: string;
  readonly samples: readonly string[];
}

/** How often a log is looked at. */
const INTERVAL_MS = 1000;

/** Follows the server's runs, where there is a server with runs. */
export async function follow(): Promise<void> {
  const described = await fetchRuns();
  if (described.length === 0) return;
  runs.value = described.map(({ name }) => ({ name, entries: [], samples: [], live: true }));
  const tails = described.map((_, i) => new Tail(`run/${i}/log.jsonl`));
  for (;;) {
    const [now, entries] = await Promise.all([fetchRuns(), Promise.all(tails.map((tail) => tail.read()))]);
    const reached = now.length > 0 && entries.every((found) => found !== undefined);
    problem.value = reached ? undefined : 'The server does not answer: is globalperc studio still running?';
    runs.value = runs.value.map((run, i) => {
      if (!run.live) return run;
      const names = now[i]?.samples;
      const samples =
        names && (names.length === run.samples.length ? run.samples : names.map((name) => `run/${i}/${name}`));
      const found = entries[i] ?? run.entries;
      return samples === run.samples && found === run.entries
        ? run
        : { ...run, entries: found, samples: samples ?? run.samples };
    });
    await new Promise((passed) => setTimeout(passed, INTERVAL_MS));
  }
}

async function fetchRuns(): Promise<readonly DescribedRun[]> {
  const response = await fetch('runs.json').catch(() => undefined);
  // A page that is hosted elsewhere has none, and its host may answer with a page of its own.
  return response?.ok ? response.json().catch(() => []) : [];
}

/** The end of a log that grows. */
class Tail {
  private readonly url: string;
  private offset = 0;
  private rest = '';
  private entries: readonly LogEntry[] = [];
  private readonly decoder = new TextDecoder();

  constructor(url: string) {
    this.url = url;
  }

  /** All entries so far, the same list where nothing was added; undefined where the server does not answer. */
  async read(): Promise<readonly LogEntry[] | undefined> {
    const response = await fetch(`${this.url}?from=${this.offset}`).catch(() => undefined);
    if (!response?.ok) return undefined;
    const size = Number(response.headers.get('X-Size') ?? 0);
    if (size < this.offset) {
      // The run went on from a checkpoint, and its log with it.
      [this.offset, this.rest, this.entries] = [0, '', []];
      return this.read();
    }
    const bytes = await response.arrayBuffer();
    if (bytes.byteLength === 0) return this.entries;
    this.offset += bytes.byteLength;
    const { entries, rest } = parseLog(this.rest + this.decoder.decode(bytes, { stream: true }));
    this.rest = rest;
    if (entries.length > 0) this.entries = [...this.entries, ...entries];
    return this.entries;
  }
}

/** Shows logs that were dropped. */
export async function drop(files: readonly File[]): Promise<void> {
  try {
    const dropped = await Promise.all(
      files.map(async (file): Promise<ShownRun> => {
        const { entries } = parseLog(`${await file.text()}\n`);
        if (entries.length === 0) throw new NotALog('no log of a training: it is empty');
        return { name: file.name.replace(/\.jsonl$/, ''), entries, samples: [], live: false };
      }),
    );
    runs.value = named([...runs.value, ...dropped]);
    problem.value = undefined;
  } catch (error) {
    problem.value = error instanceof NotALog ? error.message : String(error);
  }
}

/** Names that tell runs apart. */
function named(all: readonly ShownRun[]): readonly ShownRun[] {
  const counts = new Map<string, number>();
  return all.map((run) => {
    const count = (counts.get(run.name) ?? 0) + 1;
    counts.set(run.name, count);
    return count === 1 ? run : { ...run, name: `${run.name} ${count}` };
  });
}

/** Takes a dropped run off the page. */
export function remove(run: ShownRun): void {
  runs.value = runs.value.filter((other) => other !== run);
}
