/** Says what a program will need before it allocates anything. */
import { platform } from '../runtime/index.js';

/** From this share of what is free on, a program is worth a warning. */
const WARNED_FROM = 0.8;

/** Warns where a program is estimated to take most of what is free. @param owner what is to run it, e.g. `loss`. */
export function warnOfMemory(bytes: number, owner: string): void {
  const free = platform.memory.free();
  if (bytes < WARNED_FROM * free) return;
  console.warn(
    `globalperc: this ${owner} needs about ${gigabytes(bytes)} of memory, and ${gigabytes(free)} are free: ` +
      'take smaller images or batches, or fewer hooks',
  );
}

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GB`;
