/** What users see of `nn` besides the losses: layers, containers, functions and initial values, by PyTorch's names. */
export { ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential } from './container.js';
export type { StoredTensor } from './conversion.js';
export { functional } from './functional.js';
export * as init from './init.js';
export { manualSeed } from './init.js';
export * from './layers/index.js';
export { LoraAdapters, type LoraHost, LoraLayer, type LoraOptions, type LoraSite, lora } from './lora.js';
export * from './module.js';
export type * from './options/index.js';
export { Buffer, Parameter, type StateDict, type StateTensor } from './parameter.js';
export type { AdaptiveSize, PerAxis } from './sizes.js';
