/**
 * TensorFlow.js (`@tensorflow/tfjs`): losses for models that it trains, and its models as teachers.
 * @module globalperc/tfjs
 */
export { type FromLayersModelOptions, fromLayersModel } from './layers-model.js';
export { type TfLoss, type TfLossOptions, tfLoss } from './loss.js';
export { type TfStep, tfStep } from './step.js';
