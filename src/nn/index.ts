/** All of `nn` that other rooms use: what users see, and how modules are traced. */
export { attachLora, loraSites } from './lora.js';
export { LORA_A, LORA_B } from './lora-names.js';
export { constantOfHeld } from './parameter.js';
export * from './public.js';
export { type Bind, Trace, type TracedCall } from './trace.js';
