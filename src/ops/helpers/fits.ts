/** Whether what an operator is given fits together: models are made static by the rules for types alone. */
import { GlobalPercError, type Shape, type Tensor } from '../../graph/index.js';

const refused = (message: string): GlobalPercError => new GlobalPercError(message, { code: 'invalid-argument' });

/** @throws GlobalPercError where an input has not one of these numbers of dimensions. */
export function requireRank(what: string, tensor: Tensor | undefined, ...ranks: readonly number[]): void {
  if (tensor === undefined || ranks.includes(tensor.rank)) return;
  throw refused(`${what} should have ${ranks.join(' or ')} dimensions, has shape [${tensor.shape}]`);
}

/** @throws GlobalPercError where an input has another shape. @param expected `undefined` stands for any size. */
export function requireShape(
  what: string,
  tensor: Tensor | undefined,
  expected: readonly (number | undefined)[],
): void {
  if (tensor === undefined) return;
  const fits = (size: number | undefined, axis: number): boolean => size === undefined || size === tensor.shape[axis];
  if (tensor.rank === expected.length && expected.every(fits)) return;
  const shape = expected.map((size) => size ?? 'any').join();
  throw refused(`${what} should have shape [${shape}], has [${tensor.shape}]`);
}

/** @throws GlobalPercError where an input does not broadcast to a shape. */
export function requireSpread(what: string, tensor: Tensor | undefined, onto: Shape): void {
  if (tensor === undefined) return;
  const added = onto.length - tensor.rank;
  if (added >= 0 && tensor.shape.every((size, axis) => size === 1 || size === onto[axis + added])) return;
  throw refused(`${what} of shape [${tensor.shape}] does not broadcast to [${onto}]`);
}

/** @throws GlobalPercError where a part of an input is not there, or an operator has no such form. */
export function requireThat(fits: boolean, message: () => string): void {
  if (!fits) throw refused(message());
}
