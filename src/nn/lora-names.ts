/** The names of an adapter's two weights in the state of its layer, as peft's. */
export const LORA_A = 'lora_A.weight';
export const LORA_B = 'lora_B.weight';
