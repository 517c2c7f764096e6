export { fuseAttention, spellAttention } from './attention/index.js';
export { fold } from './fold.js';
export { lower } from './lower.js';
export { heldInOrder, memoryUse, Recomputation, schedule, sumEarly } from './memory/index.js';
export { openSizes } from './open-sizes.js';
export { shareConstants } from './share-constants.js';
export { simplify, tidy } from './simplify.js';
export { type Specialized, specialize } from './specialize.js';
export { rewriteGraph, transcribe } from './transcribe.js';
