/**
 * Diffusion models: noise schedules and samplers, by diffusers' names and formulas; in a browser, what needs no files.
 * @module globalperc/diffusion
 */
export * from './browser.js';
export { loadAutoencoder, PipelineFolder } from './folder.js';
export { loadLora, saveLora } from './lora-disk.js';
