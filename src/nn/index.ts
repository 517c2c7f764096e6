/** All of `nn` that other rooms use: what users see, and how modules are traced. */
export type { WeightKeeper } from './module.js';
export { constantOfHeld } from './parameter.js';
export * from './public.js';
export { type Bind, Trace, type Traced, type TracedCall } from './trace.js';
