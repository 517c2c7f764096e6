/** Light or dark: the system's, or what was chosen. */
import { effect, signal } from '@preact/signals';

const KEY = 'globalperc-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** Storage may be forbidden; then a choice holds until the page is left. */
function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

const preferred = signal(system.matches);
system.addEventListener('change', ({ matches }) => {
  preferred.value = matches;
});

const chosen = signal(stored());

/** Whether the page is dark. */
export const isDark = (): boolean => (chosen.value === null ? preferred.value : chosen.value === 'dark');

/** Chooses the other one. */
export function toggleTheme(): void {
  chosen.value = isDark() ? 'light' : 'dark';
  try {
    localStorage.setItem(KEY, chosen.value);
  } catch {
    // It holds until the page is left.
  }
}

effect(() => {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
});
