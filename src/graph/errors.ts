/**
 * The one error class for everything a caller can put right: bad files, shapes, options, unsupported models.
 * Its message says what was expected, what came, where, and what to do. Any other exception is a defect of ours.
 */
export class GlobalPercError extends Error {
  override readonly name = 'GlobalPercError';
}
