/** Memory: how much a graph takes, and in which order, and how often, its nodes are computed so that it takes less. */
export { bytesInFiles } from './cost.js';
export { heldInOrder } from './in-order.js';
export { type Cost, Recomputation } from './recompute.js';
export { schedule } from './schedule.js';
export { sumEarly } from './sum-early.js';
export { memoryUse } from './use.js';
