/** Errors in the words of whoever can put them right. */
import { GlobalPercError } from 'globalperc';
import { UnreadablePicture } from './image.js';

const OUT_OF_MEMORY = /bad_alloc|out of memory|allocation failed|failed to allocate|Array buffer allocation/i;
const DEVICE_LOST = /device (is |was )?lost|GPUDevice.*lost|external Instance reference/i;

/** One line: what went wrong, and what to do. */
export function messageOf(error: unknown): string {
  const text = textOf(error);
  if (OUT_OF_MEMORY.test(text))
    return 'The page is out of memory: take smaller images, fewer hooks or a smaller model.';
  if (DEVICE_LOST.test(text)) return 'The GPU was lost: go on with WebAssembly, or reload the page.';
  if (error instanceof GlobalPercError || error instanceof UnreadablePicture) return error.message;
  return `The page failed: ${text}`;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : ` (${textOf(error.cause)})`;
  return `${error.message}${cause}`;
}
