export { type HookSelector, selectHooks } from './hooks.js';
export { recoverModules } from './module-calls.js';
export { formatTree, type ModuleTree, moduleTree } from './tree.js';
export type { ModuleCall } from './types.js';
