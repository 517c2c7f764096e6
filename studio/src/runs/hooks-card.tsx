/** The losses of a run's hooks, by name. */
import { useState } from 'preact/hooks';
import { LineChart } from '../ui/line-chart.js';
import { Card, Note } from '../ui/parts.js';
import { hookLines } from './log.js';
import type { ShownRun } from './state.js';

/** More lines than this cannot be told apart. */
const MOST = 8;

export function HooksCard({ run, titled }: { readonly run: ShownRun; readonly titled: boolean }) {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [first, setFirst] = useState(0);
  const lines = hookLines(run.entries);
  if (lines.length === 0) return null;
  const page = lines.slice(first, first + MOST);
  const shown = page.filter(({ name }) => !hidden.has(name));
  return (
    <Card
      title={titled ? `Hooks of ${run.name}` : 'Hooks'}
      side={<Pages count={lines.length} first={first} onFirst={setFirst} />}
    >
      <LineChart label={`Losses of the hooks of ${run.name}`} series={shown} log height={220} legend={false} />
      <div class="chips">
        {page.map(({ name, colour }) => (
          <button
            key={name}
            type="button"
            class="chip"
            aria-pressed={!hidden.has(name)}
            onClick={() => {
              const next = new Set(hidden);
              if (!next.delete(name)) next.add(name);
              setHidden(next);
            }}
          >
            <i
              style={{ background: hidden.has(name) ? 'transparent' : `var(${colour})`, borderColor: `var(${colour})` }}
            />
            {name}
          </button>
        ))}
      </div>
      {run.entries.every(({ paths }) => paths === undefined) && (
        <Note>This log does not say what its hooks are called.</Note>
      )}
    </Card>
  );
}

function Pages({
  count,
  first,
  onFirst,
}: {
  readonly count: number;
  readonly first: number;
  readonly onFirst: (first: number) => void;
}) {
  if (count <= MOST) return <span class="tag">{count}</span>;
  return (
    <span class="row">
      <span class="tag">
        {first + 1}–{Math.min(count, first + MOST)} of {count}
      </span>
      <button
        type="button"
        class="small"
        aria-label="Earlier hooks"
        disabled={first === 0}
        onClick={() => onFirst(first - MOST)}
      >
        ‹
      </button>
      <button
        type="button"
        class="small"
        aria-label="Later hooks"
        disabled={first + MOST >= count}
        onClick={() => onFirst(first + MOST)}
      >
        ›
      </button>
    </span>
  );
}
