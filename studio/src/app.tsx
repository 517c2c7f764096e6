/** The page: its head, its tabs, and what holds for all of them. */
import { effect, signal } from '@preact/signals';
import { DescendTab } from './descend/descend-tab.js';
import { LookTab } from './look/look-tab.js';
import { RunsTab } from './runs/runs-tab.js';
import { TrainTab } from './train/train-tab.js';
import { TabList, TabPanel } from './ui/tabs.js';
import { isDark, toggleTheme } from './ui/theme.js';

const TABS = [
  { id: 'look', title: 'Look', Content: LookTab },
  { id: 'descend', title: 'Descend', Content: DescendTab },
  { id: 'train', title: 'Train', Content: TrainTab },
  { id: 'runs', title: 'Runs', Content: RunsTab },
] as const;

const fromHash = (): string => {
  const id = location.hash.slice(1);
  return TABS.some((tab) => tab.id === id) ? id : 'look';
};

const current = signal<string>(fromHash());
addEventListener('hashchange', () => {
  current.value = fromHash();
});
effect(() => history.replaceState(null, '', `#${current.value}`));

export function App() {
  const tab = TABS.find(({ id }) => id === current.value) ?? TABS[0];
  return (
    <>
      <header class="top">
        <h1>
          globalperc <span>studio</span>
        </h1>
        <TabList tabs={TABS} current={current} />
        <button type="button" class="small ghost" onClick={toggleTheme}>
          {isDark() ? 'Light' : 'Dark'}
        </button>
      </header>
      {!globalThis.crossOriginIsolated && (
        <p class="banner" role="note">
          One thread only: this page came without the headers <code>Cross-Origin-Opener-Policy: same-origin</code> and{' '}
          <code>Cross-Origin-Embedder-Policy: require-corp</code>; <code>globalperc studio</code> sends them.
        </p>
      )}
      <main>
        <TabPanel id={tab.id}>
          <tab.Content />
        </TabPanel>
      </main>
    </>
  );
}
