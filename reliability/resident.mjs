/** Whether memory stays flat. */
import { median } from '../bench/median.mjs';

const MB = 2 ** 20;

/** What is taken as noise of the allocator in a process of this size. */
const ALLOWED = 0.05;

/** Watches the resident memory of this process, from when it has warmed up to its end. */
export class Resident {
  /** @param {number} count of the rounds to come; half a hundred of them are measured */
  constructor(count) {
    this.count = count;
    this.every = Math.max(1, Math.floor(count / 50));
    /** @type {number[]} */
    this.megabytes = [];
  }

  /** Called after every round. @param {number} round from 1 on */
  after(round) {
    if (round % this.every !== 0) return;
    globalThis.gc?.();
    this.megabytes.push(process.memoryUsage.rss() / MB);
  }

  /** Growth from the first fifth after warming up (a fifth of the rounds) to the last fifth. */
  get growth() {
    const fifth = Math.max(1, Math.floor(this.megabytes.length / 5));
    return median(this.megabytes.slice(-fifth)) / median(this.megabytes.slice(fifth, 2 * fifth)) - 1;
  }

  get found() {
    const [growth, last] = [this.growth * 100, this.megabytes.at(-1) ?? 0];
    return `memory ${growth < 0 ? '−' : '+'}${Math.abs(growth).toFixed(1)} % after warming up, ${last.toFixed(0)} MB at the end`;
  }

  /** A short run has not warmed up, and shows nothing. @param {string} what */
  lost(what) {
    return this.megabytes.length >= 50 && this.growth > ALLOWED ? [`${what}: ${this.found}`] : [];
  }
}
