/** All of `nn` that other rooms use: what users see, and how modules are traced. */
export { attachLora, LORA_A, LORA_B, type LoraHost, type LoraSite, loraSites } from './lora.js';
export { constantOfHeld } from './parameter.js';
export * from './public.js';
export { type Bind, Trace, type TracedCall } from './trace.js';
