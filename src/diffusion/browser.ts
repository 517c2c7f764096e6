/**
 * All that needs no files.
 */
export * from './schedulers/index.js';
