/** Images and arrays in files; Node only. */
export { readImage, writeAtomically } from './image.js';
export { formatNpy, parseNpy } from './npy.js';
export type { ImageTensor } from './tensor.js';
