export { declaredType, describeInput, type InputValue } from './inputs.js';
export { type LoadOptions, type LoadProgress, loadModel, type ModelSource } from './load.js';
export { Model } from './model.js';
export { aboutReplacements, requireReplacements } from './replace.js';
export { snapshot, type TensorLike, toFloat32 } from './tensor-like.js';
export { TrainableModel } from './trainable.js';
