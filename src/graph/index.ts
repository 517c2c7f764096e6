export * from './attributes.js';
export * from './errors.js';
export * from './file-kind.js';
export * from './graph.js';
export * from './half.js';
export * from './tensor.js';
export * from './types.js';
