/** One computation at a time: a newer one takes the place of that before. */
import { signal } from '@preact/signals';
import { messageOf } from './errors.js';

/** A computation whose state can be shown. */
export class Task {
  /** Whether it is at work. */
  readonly busy = signal(false);
  /** What went wrong the last time, in one line. */
  readonly error = signal<string | undefined>(undefined);
  private current = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Runs after a pause in which nothing newer came. What an older run returns is dropped. */
  later<T>(wait: number, work: () => Promise<T>, done: (result: T) => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.run(work, done), wait);
  }

  /** Runs now. */
  async run<T>(work: () => Promise<T>, done: (result: T) => void): Promise<void> {
    this.current += 1;
    const own = this.current;
    this.busy.value = true;
    try {
      const result = await work();
      if (own !== this.current) return;
      done(result);
      this.error.value = undefined;
    } catch (error) {
      if (own === this.current) this.error.value = messageOf(error);
    } finally {
      if (own === this.current) this.busy.value = false;
    }
  }

  /** Drops what is at work, and what was to come. */
  cancel(): void {
    clearTimeout(this.timer);
    this.current += 1;
    this.busy.value = false;
    this.error.value = undefined;
  }
}
