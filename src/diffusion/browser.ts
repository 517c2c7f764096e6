/**
 * All that needs no files.
 */

export { Computation, type ComputationOptions } from './computation.js';
export { Denoiser, type DenoiserOptions } from './denoiser.js';
export { type Decoding, decoded, encoded, LatentDecoder } from './latents.js';
export { formatLora, type LoraFileOptions, type LoraPart, type LoraPartOptions, parseLora } from './lora-file.js';
export { NoiseLoss, type NoiseLossOptions, OnX0, type OnX0Options } from './losses.js';
export * from './networks/index.js';
export { LatentSampler, type SampleOptions } from './sample.js';
export * from './schedulers/index.js';
export { CLIPTokenizer, type CLIPTokenizerOptions, type Tokens } from './tokenizer.js';
