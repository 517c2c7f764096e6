export { type HookSelector, selectHooks } from './hooks.js';
export { type ModuleCall, recoverModules } from './recover.js';
export { formatTree, type ModuleTree, moduleTree } from './tree.js';
