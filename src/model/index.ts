export { type LoadOptions, loadModel } from './load.js';
export { Model } from './model.js';
export { TrainableModel } from './trainable.js';
