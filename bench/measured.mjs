/** What benchmarks of processes share: what they compute with, and what they took. */
import { readFileSync } from 'node:fs';

/** An image of noise. @param {number[]} dims */
export const image = (dims) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, Math.random),
});

/** The most memory that this process has had, in megabytes; not the maximum of resourceUsage(), which begins with that of the process that has started this one. */
export const peakMegabytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

/** Milliseconds that the processor's cores have worked for this process: unlike those that went by, hardly more where others work beside it. */
export const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
