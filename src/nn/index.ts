/** All of `nn` that other rooms use: what users see, and how modules are traced. */
export { constantOfHeld } from './parameter.js';
export * from './public.js';
export { type Bind, Trace, type TracedCall } from './trace.js';
