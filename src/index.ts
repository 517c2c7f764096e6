/** globalperc: any pretrained model as a training loss. */
export { GlobalPercError } from './graph/index.js';
export * from './loss/index.js';
export { type LoadOptions, loadModel, Model } from './model/index.js';
export { formatTree, type HookSelector, type ModuleCall, type ModuleTree, moduleTree } from './modules/index.js';
export * as nn from './nn.js';
export type { SessionOptions } from './runtime/index.js';
export * as transforms from './transforms/index.js';
