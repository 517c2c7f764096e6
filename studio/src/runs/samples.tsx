/** What a student made of the same images after more and more steps. */
import { Card } from '../ui/parts.js';
import { StepSlider, useNewest } from '../ui/step-slider.js';
import type { ShownRun } from './state.js';

/** `samples-00000100.png` is what there was after step 100. */
const stepOf = (url: string): number => Number(/samples-(\d+)\.png$/.exec(url)?.[1] ?? 0);

export function Samples({ run, titled }: { readonly run: ShownRun; readonly titled: boolean }) {
  const [at, choose] = useNewest(run.samples.length);
  const url = run.samples[at] as string;
  return (
    <Card title={titled ? `Samples of ${run.name}` : 'Samples'} side={<span class="tag">step {stepOf(url)}</span>}>
      <StepSlider class="samples-slider" step={stepOf(url)} at={at} count={run.samples.length} onChoose={choose} />
      <img class="samples" src={url} alt={`input, output and target after step ${stepOf(url)}`} />
    </Card>
  );
}
