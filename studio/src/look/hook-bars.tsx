/** What each hook contributes, in order of execution; a click shows its map. */
import { hooks, shownHook, value } from './state.js';

export function HookBars() {
  const most = Math.max(...hooks.value.map(({ contribution }) => contribution), Number.MIN_VALUE);
  return (
    <ol class="hook-bars">
      {hooks.value.map(({ call, index, path, class: name, contribution, weight, loss, map }) => (
        <li key={index}>
          <button
            type="button"
            aria-pressed={shownHook.value === call}
            disabled={map === undefined}
            title={`weight ${weight.toPrecision(4)} · loss ${loss.toPrecision(4)}`}
            onClick={() => {
              shownHook.value = shownHook.value === call ? undefined : call;
            }}
          >
            <span class="hook-name">
              {path || '–'} <small>{name}</small>
            </span>
            <span class="bar" aria-hidden="true">
              <span style={{ width: `${(100 * contribution) / most}%` }} />
            </span>
            <span class="number">{contribution.toPrecision(3)}</span>
            <span class="share">{value.value ? `${((100 * contribution) / value.value).toFixed(0)} %` : ''}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}
