/** What adapters are given to adapt. */
import { described } from '../graph/errors.js';
import { GlobalPercError, Loss } from '../index.js';

/** @throws GlobalPercError where an adapter is given something else: a promise of a loss, its model, its configuration. */
export function requireLoss(adapter: string, value: unknown): void {
  if (value instanceof Loss) return;
  throw new GlobalPercError(
    `${adapter} takes a loss, such as new GlobalPercLoss(model, config), got ${described(value)}`,
  );
}
