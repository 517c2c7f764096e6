/** TensorFlow.js (`@tensorflow/tfjs`): its layers models as teachers. */
export { type FromLayersModelOptions, fromLayersModel } from './layers-model.js';
