/** A choice among what there was after some steps. */
import { useState } from 'preact/hooks';

/** Index of the newest of `count`, until an older one is chosen. */
export function useNewest(count: number): readonly [at: number, choose: (index: number) => void] {
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const last = count - 1;
  return [Math.min(chosen ?? last, last), (index) => setChosen(index === last ? undefined : index)];
}

export function StepSlider({
  step,
  at,
  count,
  onChoose,
  class: extra = '',
}: {
  /** Of what is chosen. */
  readonly step: number | undefined;
  readonly at: number;
  readonly count: number;
  readonly onChoose: (index: number) => void;
  readonly class?: string;
}) {
  return (
    <label class={`slider ${extra}`.trim()}>
      <span>Step</span>
      <input
        type="range"
        min={0}
        max={count - 1}
        value={at}
        aria-valuetext={`step ${step}`}
        onInput={({ currentTarget }) => onChoose(currentTarget.valueAsNumber)}
      />
      <output>{step}</output>
    </label>
  );
}
