/**
 * Attention: `fuse.ts` makes one node of it before a graph is differentiated, `spell.ts` standard operators of that node and of its
 * gradient afterwards.
 */
export { fuseAttention } from './fuse.js';
export { spellAttention } from './spell.js';
