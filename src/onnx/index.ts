export { type OnnxModel, type WriteOptions, writeOnnx } from './write.js';
