/** Train: the demo's student, in this page. */
import { useEffect } from 'preact/hooks';
import { hookLines, lineOf } from '../runs/log.js';
import { Figure } from '../ui/image-view.js';
import { LineChart } from '../ui/line-chart.js';
import { Card, Choice, Note, Problem, ProgressBar } from '../ui/parts.js';
import { StepSlider, useNewest } from '../ui/step-slider.js';
import * as state from './state.js';
import { LOSSES, type LossName } from './task.js';

const STEPS = [50, 100, 200, 400] as const;

export function TrainTab() {
  useEffect(() => void state.findFormer(), []);
  return (
    <div class="split">
      <aside>
        <Settings />
        <Kept />
      </aside>
      <div class="main">
        <Samples />
        {state.entries.value.length > 0 && <Curves />}
      </div>
    </div>
  );
}

function Settings() {
  const phase = state.phase.value;
  const [busy, begun] = [phase === 'preparing' || phase === 'training', phase !== 'idle'];
  return (
    <Card title="Training" class="model" side={state.device.value && <span class="tag">{deviceName()}</span>}>
      <Note>
        A small U-Net learns to make photographs sharp again from pairs that lie up to two pixels off, as in{' '}
        <code>globalperc demo</code>.
      </Note>
      <Choice
        label="Loss"
        value={state.loss.value}
        disabled={begun}
        options={Object.entries(LOSSES) as [LossName, string][]}
        onChange={(name) => {
          state.loss.value = name;
        }}
      />
      <Choice
        label="Steps"
        value={state.steps.value}
        disabled={begun}
        options={STEPS.map((count) => [count, String(count)] as const)}
        onChange={(count) => {
          state.steps.value = count;
        }}
      />
      <div class="row">
        {phase === 'idle' && (
          <button type="button" class="primary" onClick={() => void state.begin()}>
            Train {state.loss.value === 'both' && <small>AlexNet, 10 MB</small>}
          </button>
        )}
        {busy && (
          <button
            type="button"
            class="primary"
            disabled={phase === 'preparing' || state.stopping.value}
            onClick={state.pause}
          >
            Pause
          </button>
        )}
        {phase === 'paused' && (
          <button type="button" class="primary" onClick={() => void state.goOn()}>
            Go on
          </button>
        )}
        {(phase === 'paused' || phase === 'done') && (
          <button type="button" class="plain" onClick={() => void state.discard()}>
            Start over
          </button>
        )}
      </div>
      <ProgressBar bar={state.preparing.value ?? stepBar()} />
      <Problem text={state.problem.value} />
      {state.remark.value && <Note>{state.remark.value}</Note>}
    </Card>
  );
}

const deviceName = (): string => ({ webgpu: 'WebGPU', wasm: 'WebAssembly' })[state.device.value ?? 'wasm'];

function stepBar() {
  const last = state.entries.value.at(-1);
  if (!last || state.phase.value === 'idle') return undefined;
  const tail = state.entries.value.slice(-10);
  const pace = tail.reduce((sum, { seconds }) => sum + seconds, 0) / tail.length;
  const left = Math.ceil((state.steps.value - last.step) * pace);
  const time = left >= 90 ? `${Math.round(left / 60)} min left` : `${left} s left`;
  return {
    label: `step ${last.step} of ${state.steps.value}${left > 0 ? `, ${time}` : ''}`,
    share: last.step / state.steps.value,
  };
}

/** What the browser keeps, and files to take away. */
function Kept() {
  const former = state.former.value;
  if (former) {
    return (
      <Card title="A training was kept">
        <Note>
          {LOSSES[former.settings.loss]}, step {former.entries.at(-1)?.step ?? 0} of {former.settings.steps}.
        </Note>
        <div class="row">
          <button
            type="button"
            class="primary"
            disabled={state.phase.value !== 'idle'}
            onClick={() => void state.begin(former)}
          >
            Go on with it
          </button>
          <button
            type="button"
            class="plain"
            disabled={state.phase.value !== 'idle'}
            onClick={() => void state.discard()}
          >
            Discard
          </button>
        </div>
      </Card>
    );
  }
  if (state.entries.value.length === 0) return null;
  return (
    <Card title="To keep">
      <Note>
        {state.keptStep.value === undefined
          ? 'Nothing is kept yet.'
          : `Step ${state.keptStep.value} is kept in this browser: a page that ends can be gone on with.`}
      </Note>
      <div class="row">
        <button type="button" class="plain" onClick={() => void state.downloadStudent()}>
          student.onnx
        </button>
        <button type="button" class="plain" onClick={state.downloadLog}>
          log.jsonl
        </button>
      </div>
    </Card>
  );
}

function Samples() {
  const all = state.samples.value;
  const [at, choose] = useNewest(all.length);
  const { input, target } = state.shown.value ?? {};
  const step = all[at]?.step;
  return (
    <Card class="pictures" title="A photograph that is kept out of training">
      <div class="figures three">
        <Figure caption="input" image={input} label="input" />
        <Figure
          caption={step === undefined ? 'output' : `output, step ${step}`}
          image={all[at]?.image}
          label="output"
        />
        <Figure caption="target" image={target} label="target" />
      </div>
      {all.length > 1 && <StepSlider step={step} at={at} count={all.length} onChoose={choose} />}
    </Card>
  );
}

function Curves() {
  const entries = state.entries.value;
  const hooks = hookLines(entries);
  return (
    <>
      <Card title="Loss">
        <LineChart label="Loss" series={[lineOf('loss', '--accent', entries, 'loss')]} log height={220} />
      </Card>
      <div class="columns">
        {hooks.length > 1 && (
          <Card title="Hooks">
            <LineChart label="Losses of the hooks" series={hooks} log height={180} />
          </Card>
        )}
        <Card title="Learning rate">
          <LineChart label="Learning rate" series={[lineOf('learning rate', '--second', entries, 'lr')]} height={180} />
        </Card>
      </div>
    </>
  );
}
