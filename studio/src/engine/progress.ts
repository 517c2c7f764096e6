/** How far a download or a computation is. */
import { signal } from '@preact/signals';
import type { HubProgress, LoadProgress } from 'globalperc';

/** A bar: its caption, and its share where it is known. */
export interface Bar {
  readonly label: string;
  readonly share?: number;
}

/** A bar that comes and goes. */
export const newBar = () => signal<Bar | undefined>(undefined);

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** What is shown of loading a model. */
export function barOf(progress: LoadProgress | HubProgress): Bar {
  if (progress.step !== 'download') return { label: progress.step === 'read' ? 'reading' : 'reading the graph' };
  const { file, loaded, total } = progress;
  return { label: `${file}: ${megabytes(loaded)} of ${megabytes(total)} MB`, share: loaded / total };
}
