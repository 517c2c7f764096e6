/** The library that reads and writes pictures. */
import type { default as Sharp } from 'sharp';
import { loadPeer } from '../peers/index.js';

/** @throws GlobalPercError when it is not installed: asked before a file is opened, which is not to be blamed for that. */
export const loadSharp = async (): Promise<typeof Sharp> => (await loadPeer('sharp', () => import('sharp'))).default;
