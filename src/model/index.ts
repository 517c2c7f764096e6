export { type LoadOptions, loadModel } from './load.js';
export { Model, parameterCount } from './model.js';
