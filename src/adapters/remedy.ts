/** Hints that adapters add to an error, where an image has another layout than the framework's. */
import { GlobalPercError } from '../index.js';

/** An axis of at most this size is taken for colours, not for pixels. */
const MOST_CHANNELS = 4;

/** A shape or a place in a message. */
const NUMBERS = /\[[\d, ]*\]/;

/** Whether a shape of four dimensions has its colours on an axis, rather than on another. */
export const hasColoursOn = (axis: number, rather: number, shape: readonly number[]): boolean =>
  shape.length === 4 && (shape[axis] as number) <= MOST_CHANNELS && (shape[rather] as number) > MOST_CHANNELS;

/** An error of this library with a remedy behind it; any other as it is. */
export const withRemedy = (error: unknown, remedy: string | undefined): unknown =>
  error instanceof GlobalPercError && remedy
    ? new GlobalPercError(`${error.message}; ${remedy}`, { code: error.code, cause: error })
    : error;

/** An error with the first remedy there is, if it tells of shapes; any other as it is. */
export const withLayoutRemedy = (error: unknown, remedies: readonly (string | undefined)[]): unknown =>
  error instanceof GlobalPercError && NUMBERS.test(error.message)
    ? withRemedy(
        error,
        remedies.find((remedy) => remedy !== undefined),
      )
    : error;
