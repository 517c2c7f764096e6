/** The library that reads and writes pictures. */
import type { default as Sharp } from 'sharp';
import { peerError } from '../peers/index.js';

/** @throws GlobalPercError when it is not installed: asked before a file is opened, which is not to be blamed for that. */
export async function loadSharp(): Promise<typeof Sharp> {
  // Within `try`, from which bundlers see that it may be absent.
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw peerError('sharp', error);
  }
}
