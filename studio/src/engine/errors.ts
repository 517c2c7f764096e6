/** Errors in the words of whoever can put them right. */
import { GlobalPercError } from 'globalperc';
import { UnreadablePicture } from './image.js';

/** Whether the GPU is gone, and with it what was on it. */
export const isDeviceLost = (error: unknown): boolean =>
  error instanceof GlobalPercError && error.code === 'device-lost';

/** One line: what went wrong, and what to do. */
export function messageOf(error: unknown): string {
  if (error instanceof GlobalPercError && error.code === 'out-of-memory')
    return 'The page is out of memory: take smaller images, fewer hooks or a smaller model.';
  if (isDeviceLost(error)) return 'The GPU was lost; WebAssembly computes from here on.';
  if (error instanceof GlobalPercError || error instanceof UnreadablePicture) return error.message;
  return `The page failed: ${textOf(error)}`;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : ` (${textOf(error.cause)})`;
  return `${error.message}${cause}`;
}
