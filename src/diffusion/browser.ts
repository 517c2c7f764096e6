/**
 * All that needs no files.
 */

export { formatLora, type LoraFileOptions, type LoraPart, type LoraPartOptions, parseLora } from './lora-file.js';
export * from './networks/index.js';
export * from './schedulers/index.js';
