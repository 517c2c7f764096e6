export type { Gradient, OpDefinition, VjpContext } from './define.js';
export { createGraph, operatorOf, operators, requiredOpset } from './registry.js';
