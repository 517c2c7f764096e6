export { guided, type Latents, type Mixture } from './arithmetic.js';
export type { BetaSchedule, PredictionType, ScheduleOptions } from './betas.js';
export { DDIM, type DDIMOptions } from './ddim.js';
export { DDPM } from './ddpm.js';
export { DPMSolverMultistep, type DPMSolverMultistepOptions } from './dpm-solver-multistep.js';
export { EulerDiscrete } from './euler-discrete.js';
export { samplerFromConfig } from './from-config.js';
export type { Sampler, SamplerOptions, SamplerStep, SigmaOptions, SigmaSampler, TimestepSpacing } from './sampler.js';
