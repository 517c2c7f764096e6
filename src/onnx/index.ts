export { embedding } from './embedding.js';
export { type ExternalFile, type ExternalReader, fileInMemory } from './external.js';
export { leavingWeights } from './in-place.js';
export { type ReadOptions, readOnnx } from './read.js';
export { infersRightly } from './strict.js';
export type { ExternalConstant, InPlace } from './weights.js';
export { type OnnxModel, type WriteOptions, weightBytes, writeOnnx } from './write.js';
