/** Descend: an image follows the gradient of a loss to its target, next to one that follows L1. */

import type { ImageTensor } from 'globalperc/data';
import { useEffect } from 'preact/hooks';
import { pngOf } from '../engine/image.js';
import { saveFile } from '../engine/save.js';
import * as look from '../look/state.js';
import { Figure } from '../ui/image-view.js';
import { LineChart } from '../ui/line-chart.js';
import { Busy, Card, Choice, Note, Problem, ProgressBar, Slider } from '../ui/parts.js';
import * as state from './state.js';

const SIDES = [96, 160, 224, 288] as const;

export function DescendTab() {
  useEffect(look.takeFirstExample, []);
  return (
    <div class="split">
      <aside>
        <Settings />
      </aside>
      <div class="main">
        <Card
          class="pictures"
          title="The way to the target"
          side={<Busy when={state.running.value}>{`${state.pace.value?.toFixed(0) ?? '…'} ms per step`}</Busy>}
        >
          <Pictures />
          <Problem text={state.problem.value} />
        </Card>
        {state.shown.value && state.shown.value.steps > 0 && (
          <Card title="Each loss, as a share of its first value">
            <LineChart label="Share of the first loss" series={state.shown.value.series} log height={220} />
          </Card>
        )}
      </div>
    </div>
  );
}

function Settings() {
  return (
    <Card title="Descent" class="model">
      <LossLine />
      <Choice
        label="Start from"
        value={state.startFrom.value}
        options={(Object.keys(state.STARTS) as state.StartName[]).map((name) => [name, name] as const)}
        onChange={(name) => {
          state.startFrom.value = name;
        }}
      />
      <Choice
        label="Longest side"
        value={state.side.value}
        options={SIDES.map((side) => [side, `${side} pixels`] as const)}
        onChange={(side) => {
          state.side.value = side;
        }}
      />
      <Slider label="Rate" value={state.lr} min={0.001} max={0.05} step={0.001} />
      <label class="check">
        <input
          type="checkbox"
          checked={state.shifted.value}
          onChange={(event) => {
            state.shifted.value = event.currentTarget.checked;
          }}
        />
        Shift both images in each step
      </label>
      <div class="row">
        {state.running.value ? (
          <button type="button" class="primary" onClick={state.pause}>
            Pause
          </button>
        ) : (
          <button type="button" class="primary" disabled={!state.ready.value} onClick={() => void state.run()}>
            {state.shown.value?.steps ? 'Go on' : 'Descend'}
          </button>
        )}
        <button
          type="button"
          class="plain"
          disabled={!state.ready.value || state.running.value}
          onClick={() => void state.step()}
        >
          Step
        </button>
        <button type="button" class="plain" disabled={!state.shown.value?.steps} onClick={state.reset}>
          Reset
        </button>
      </div>
      <Note>
        Both follow Adam at the same rate, from the same start to the same target. What the loss of Look does not see,
        its image need not have.
      </Note>
    </Card>
  );
}

/** Which loss is descended; where there is none yet, LPIPS is at hand. */
function LossLine() {
  const loaded = look.loaded.value;
  return (
    <>
      <p class="note">
        {loaded
          ? `${loaded.name}, ${look.selected.value.size} hooks, as chosen in Look`
          : 'The loss of Look is descended; there is none yet.'}
      </p>
      {!loaded && (
        <button
          type="button"
          class="primary"
          disabled={look.loading.value !== undefined}
          onClick={() => void look.open()}
        >
          Use LPIPS <small>AlexNet, 10 MB</small>
        </button>
      )}
      <ProgressBar bar={look.loading.value} />
      <Problem text={look.modelError.value} />
    </>
  );
}

function Pictures() {
  const [perceptual, l1] = state.shown.value?.images ?? [];
  const steps = state.shown.value?.steps ?? 0;
  return (
    <div class="figures three">
      <Figure caption={`the loss of Look, step ${steps}`} image={perceptual} label="descent under the loss of Look">
        <Save image={perceptual} name="descent.png" />
      </Figure>
      <Figure caption={`L1, step ${steps}`} image={l1} label="descent under L1">
        <Save image={l1} name="descent-l1.png" />
      </Figure>
      <Figure caption="target" image={state.target.value} label="target" />
    </div>
  );
}

const Save = ({ image, name }: { readonly image: ImageTensor | undefined; readonly name: string }) => (
  <div>
    <button
      type="button"
      class="small"
      disabled={!image}
      onClick={() => image && void pngOf(image).then((png) => saveFile(name, png))}
    >
      Save PNG
    </button>
  </div>
);
