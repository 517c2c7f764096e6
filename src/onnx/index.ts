export type { ExternalReader } from './external.js';
export { type ReadOptions, readOnnx } from './read.js';
export { type OnnxModel, type WriteOptions, writeOnnx } from './write.js';
