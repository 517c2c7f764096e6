export { embedding } from './embedding.js';
export { type ExternalFile, type ExternalReader, fileInMemory } from './external.js';
export { type ReadOptions, readOnnx } from './read.js';
export { infersRightly } from './strict.js';
export { type ExternalConstant, type OnnxModel, type WriteOptions, weightBytes, writeOnnx } from './write.js';
