/** Runs: what trainings have come to, followed while they are at work. */
import { useEffect } from 'preact/hooks';
import { Drop } from '../ui/drop.js';
import { LineChart } from '../ui/line-chart.js';
import { Card, Note, Problem } from '../ui/parts.js';
import { HooksCard } from './hooks-card.js';
import { colourOf, lineOf, summaryOf } from './log.js';
import { Samples } from './samples.js';
import { drop, follow, problem, remove, runs } from './state.js';

let following = false;

export function RunsTab() {
  useEffect(() => {
    if (!following) void follow();
    following = true;
  }, []);
  const all = runs.value;
  return (
    <div class="stack">
      <Card title="Runs">
        <ul class="run-list">
          {all.map((run, i) => (
            <li key={run.name}>
              <i style={{ background: `var(${colourOf(i)})` }} />
              <b>{run.name}</b>
              <span>{summaryOf(run.entries)}</span>
              {run.live ? (
                <span class="tag">followed</span>
              ) : (
                <button type="button" class="small" onClick={() => remove(run)}>
                  Remove
                </button>
              )}
            </li>
          ))}
        </ul>
        <Problem text={problem.value} />
        <Drop
          label="Choose log.jsonl files"
          accept=".jsonl,application/jsonl"
          multiple
          onFiles={(files) => void drop(files)}
        >
          <span>
            <b>Choose</b> or drop <code>log.jsonl</code> of one run or several
          </span>
        </Drop>
        {all.length === 0 && (
          <Note>
            <code>globalperc train</code> and <code>demo</code> write a log; <code>globalperc studio RUN_A RUN_B</code>{' '}
            follows runs while they are at work.
          </Note>
        )}
      </Card>
      {all.length > 0 && <Curves />}
      {all.length > 0 && (
        <div class="columns">
          {all.map((run) => (
            <HooksCard key={run.name} run={run} titled={all.length > 1} />
          ))}
        </div>
      )}
      {all.some(({ samples }) => samples.length > 0) && (
        <div class="columns">
          {all.map((run) => run.samples.length > 0 && <Samples key={run.name} run={run} titled={all.length > 1} />)}
        </div>
      )}
    </div>
  );
}

function Curves() {
  const lines = (key: 'loss' | 'gradNorm' | 'lr') =>
    runs.value.map(({ name, entries }, i) => lineOf(name, colourOf(i), entries, key));
  return (
    <>
      <Card title="Loss">
        <LineChart label="Loss" series={lines('loss')} log height={260} />
      </Card>
      <div class="columns">
        <Card title="Learning rate">
          <LineChart label="Learning rate" series={lines('lr')} height={150} />
        </Card>
        <Card title="Norm of the gradient">
          <LineChart label="Norm of the gradient" series={lines('gradNorm')} log height={150} />
        </Card>
      </div>
    </>
  );
}
