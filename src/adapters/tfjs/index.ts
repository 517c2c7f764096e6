/** TensorFlow.js (`@tensorflow/tfjs`): losses for models that it trains, and its models as teachers. */
export { type TfLoss, tfLoss } from './loss.js';
export { type TfStep, tfStep } from './step.js';
