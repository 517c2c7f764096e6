export { carriesGradientTo, gradient } from './gradient.js';
