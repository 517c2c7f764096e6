export type { Gradient, OpDefinition, VjpContext } from './define.js';
export { perChannel } from './helpers/channels.js';
export { type Interpolation, interpolationMatrix } from './helpers/interpolation.js';
export { emptyOutput, TooSmallError } from './helpers/windows.js';
export { createGraph, operatorOf, operators, requiredOpset } from './registry.js';
