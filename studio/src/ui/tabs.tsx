/** Tabs that arrow keys go through, as WAI-ARIA describes them. */
import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { tabAfter } from './tab-keys.js';

export interface Tab {
  readonly id: string;
  readonly title: string;
}

export function TabList({ tabs, current }: { readonly tabs: readonly Tab[]; readonly current: Signal<string> }) {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = tabs.findIndex(({ id }) => id === current.value);
    const next = tabAfter(event.key, at, tabs.length);
    const tab = next === undefined ? undefined : tabs[next];
    if (next === undefined || !tab) return;
    event.preventDefault();
    current.value = tab.id;
    (list.current?.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="What to do" ref={list} onKeyDown={onKeyDown}>
      {tabs.map(({ id, title }) => (
        <button
          key={id}
          type="button"
          role="tab"
          id={`tab-${id}`}
          aria-selected={current.value === id}
          aria-controls={`panel-${id}`}
          tabIndex={current.value === id ? 0 : -1}
          onClick={() => {
            current.value = id;
          }}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

export const TabPanel = ({ id, children }: { readonly id: string; readonly children: ComponentChildren }) => (
  <div role="tabpanel" id={`panel-${id}`} aria-labelledby={`tab-${id}`} class="panel">
    {children}
  </div>
);
