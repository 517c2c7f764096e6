/**
 * All that needs no files.
 */

export * from './networks/index.js';
export * from './schedulers/index.js';
