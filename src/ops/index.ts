export { attentionAttributes } from './attention.js';
export { type Gradient, type OpDefinition, ValueNeededError, type VjpContext } from './define.js';
export { perChannel } from './helpers/channels.js';
export { type Interpolation, interpolationMatrix } from './helpers/interpolation.js';
export { sliceBounds } from './helpers/slicing.js';
export { emptyOutput, TooSmallError } from './helpers/windows.js';
export { expanded, placeholder } from './placeholder.js';
export { carriesGradient, createGraph, operatorOf, operators, requiredOpset, stopsGradient } from './registry.js';
