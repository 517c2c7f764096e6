/** What adapters are given to adapt. */

import { GlobalPercError, type Loss } from '../index.js';
import { kindOf } from '../options/index.js';

/**
 * Losses are known by what they can do: a page may hold two copies of this library.
 * @throws GlobalPercError where an adapter is given something else: a promise of a loss, its model, its configuration.
 */
export function requireLoss(adapter: string, value: unknown): void {
  const { valueAndGrad, synchronous } = (value ?? {}) as Partial<Loss>;
  if (typeof valueAndGrad === 'function' && typeof synchronous === 'function') return;
  throw new GlobalPercError(
    `${adapter} takes a loss, such as new GlobalPercLoss(model, config), got ${kindOf(value)}`,
    { code: 'invalid-option' },
  );
}
