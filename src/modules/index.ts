export { metadataProblem } from './dynamo.js';
export { type HookSelector, type ModuleClass, selectHooks } from './hooks.js';
export { recoverModules } from './module-calls.js';
export { formatTree, type ModuleTree, moduleTree, parametersOf } from './tree.js';
export type { ModuleCall } from './types.js';
export { hasBody, type Weight, weightsOf } from './weights.js';
