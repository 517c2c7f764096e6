import { expect, it } from 'vitest';
import { RunningMean } from '../../src/cli/running-mean.js';

it('is the mean of the last 50 values, those before included', () => {
  const former = Array.from({ length: 60 }, (_, i) => i);
  const losses = new RunningMean(former);
  expect([losses.count, losses.mean]).toEqual([50, 34.5]);
  losses.add(60);
  expect([losses.count, losses.mean]).toEqual([50, 35.5]);
});

it('is the mean of what there is', () => {
  const losses = new RunningMean();
  losses.add(1);
  losses.add(4);
  expect([losses.count, losses.mean]).toEqual([2, 2.5]);
});
