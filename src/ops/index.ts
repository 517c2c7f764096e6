export { perChannel } from './channels.js';
export type { Gradient, OpDefinition, VjpContext } from './define.js';
export { type Interpolation, interpolationMatrix } from './interpolation.js';
export { createGraph, operatorOf, operators, requiredOpset } from './registry.js';
