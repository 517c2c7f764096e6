/** Look: what a loss sees between two images. */
import { batch } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Drop } from '../ui/drop.js';
import { Busy, Card, Choice, Code, Note, Problem, ProgressBar } from '../ui/parts.js';
import { DISTANCES, type DistanceName, jsonText } from './config.js';
import { HookBars } from './hook-bars.js';
import { firstChoice } from './model.js';
import { ModulePicker } from './module-tree.js';
import { Pictures } from './pictures.js';
import * as state from './state.js';
import { WeightCurve } from './weight-curve.js';

export function LookTab() {
  useEffect(state.takeFirstExample, []);
  return (
    <div class="split">
      <aside>
        <ModelCard />
        {state.loaded.value && (
          <>
            <HooksCard />
            <Card title="Weights" class="weights">
              <WeightCurve />
            </Card>
          </>
        )}
      </aside>
      <div class="main">
        <Pictures />
        {state.loaded.value ? (
          <>
            <ValueCard />
            <ConfigCard />
          </>
        ) : (
          <Card>
            <Note>
              Any pretrained model is a loss: choose LPIPS, or drop an ONNX file of yours. Everything is computed in
              this page; nothing leaves it.
            </Note>
          </Card>
        )}
      </div>
    </div>
  );
}

function ModelCard() {
  const { loaded, loading } = state;
  return (
    <Card class="model" title="Model" side={loaded.value && <span class="tag">{loaded.value.name}</span>}>
      {loaded.value?.lpips === undefined && (
        <button type="button" class="primary" disabled={loading.value !== undefined} onClick={() => void state.open()}>
          Use LPIPS <small>AlexNet, 10 MB</small>
        </button>
      )}
      <Drop label="Choose an ONNX file" accept=".onnx" onFiles={([file]) => file && void state.open(file)}>
        <span>
          <b>Choose</b> or drop an ONNX file
        </span>
      </Drop>
      <ProgressBar bar={loading.value} />
      <Problem text={state.modelError.value} />
      {loaded.value?.model.warnings.map((warning) => (
        <Note key={warning}>{warning}</Note>
      ))}
    </Card>
  );
}

function HooksCard() {
  const loaded = state.loaded.value;
  if (!loaded) return null;
  const learned = state.distance.value === 'learned';
  const free = learned ? firstChoice(loaded) : new Set(loaded.leaves);
  const names = (Object.keys(DISTANCES) as DistanceName[]).filter((name) => name !== 'learned' || loaded.lpips);
  return (
    <Card
      class="hooks"
      title="Hooks"
      side={
        <span class="tag">
          {state.selected.value.size} of {free.size}
        </span>
      }
    >
      <Choice
        label="Distance"
        value={state.distance.value}
        options={names.map((name) => [name, name === 'learned' ? 'learned by LPIPS' : name] as const)}
        onChange={(name) => {
          batch(() => {
            state.distance.value = name;
            if (name === 'learned') state.selected.value = firstChoice(loaded);
          });
        }}
      />
      {!loaded.lpips && (
        <label class="check">
          <input
            type="checkbox"
            checked={state.normalized.value}
            onChange={(event) => {
              state.normalized.value = event.currentTarget.checked;
            }}
          />
          ImageNet’s mean and deviation
        </label>
      )}
      <ModulePicker
        loaded={loaded}
        selected={state.selected.value}
        free={free}
        onChange={(next) => {
          state.selected.value = next;
        }}
      />
      {state.selected.value.size === 0 && <Note>Check at least one module.</Note>}
    </Card>
  );
}

function ValueCard() {
  const { value, looking } = state;
  return (
    <Card class="loss" title="Loss" side={<Busy when={looking.busy.value} />}>
      <p class="value" aria-live="polite">
        <output aria-label="Value of the loss">{value.value === undefined ? '–' : value.value.toPrecision(5)}</output>
        <small>
          Σ weight · loss over {state.hooks.value.length} hooks, in order of execution; click one for its map
        </small>
      </p>
      <HookBars />
    </Card>
  );
}

function ConfigCard() {
  const json = state.json.value;
  if (!json) return null;
  const learned = json.lossFunc === undefined;
  return (
    <Card title="Configuration" class="config">
      <div class="columns">
        <div>
          <Code label="JSON" text={jsonText(json)} />
          {learned && <Note>The learned distance of LPIPS has no name in JSON; TypeScript has it.</Note>}
          {!('modulesToHook' in json) && <Note>No names or patterns choose just these modules; a predicate does.</Note>}
        </div>
        <div>
          <Code label="TypeScript" text={state.typescript.value} />
        </div>
      </div>
    </Card>
  );
}
