/** The hub's own library. */
import { peerError } from '../peers/index.js';

/** @throws GlobalPercError when it is not installed. */
export async function hubLibrary(): Promise<typeof import('@huggingface/hub')> {
  // Within `try`, from which bundlers see that it may be absent.
  try {
    return await import('@huggingface/hub');
  } catch (error) {
    throw peerError('@huggingface/hub', error);
  }
}
