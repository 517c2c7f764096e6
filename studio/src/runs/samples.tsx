/** What a student made of the same images after more and more steps. */
import { useState } from 'preact/hooks';
import { Card } from '../ui/parts.js';
import type { ShownRun } from './state.js';

/** `samples-00000100.png` is what there was after step 100. */
const stepOf = (url: string): number => Number(/samples-(\d+)\.png$/.exec(url)?.[1] ?? 0);

export function Samples({ run, titled }: { readonly run: ShownRun; readonly titled: boolean }) {
  // The newest, until an older one is chosen.
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const last = run.samples.length - 1;
  const at = Math.min(chosen ?? last, last);
  const url = run.samples[at] as string;
  return (
    <Card title={titled ? `Samples of ${run.name}` : 'Samples'} side={<span class="tag">step {stepOf(url)}</span>}>
      <label class="slider samples-slider">
        <span>Step</span>
        <input
          type="range"
          min={0}
          max={last}
          value={at}
          aria-valuetext={`step ${stepOf(url)}`}
          onInput={({ currentTarget }) =>
            setChosen(currentTarget.valueAsNumber === last ? undefined : currentTarget.valueAsNumber)
          }
        />
        <output>{stepOf(url)}</output>
      </label>
      <img class="samples" src={url} alt={`input, output and target after step ${stepOf(url)}`} />
    </Card>
  );
}
