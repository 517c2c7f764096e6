/**
 * The one error class for everything a caller can put right: bad files, shapes, options, unsupported models.
 * Its message says what was expected, what came, where, and what to do. Any other exception is a defect of ours.
 */
export class GlobalPercError extends Error {
  override readonly name = 'GlobalPercError';
}

/** Checks an option against its allowed values. @throws GlobalPercError naming them. */
export function oneOf<T extends string>(value: T, allowed: readonly T[], name: string): T {
  if (allowed.includes(value)) return value;
  throw new GlobalPercError(`${name} should be one of ${allowed.join(', ')}, got ${JSON.stringify(value)}`);
}
