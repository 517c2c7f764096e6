/** Models of the Hugging Face hub: found, downloaded and kept (Node), or found by URL (browser). */
export { fetchHubModel, parseHubId } from '#hub';
export type { HubModel, HubOptions, HubProgress } from './types.js';
