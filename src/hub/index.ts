/** Models of the Hugging Face hub, and weights by URL: found, downloaded and kept (Node), or found by URL (browser). */
export { fetchHubModel, fetchWeights, parseHubId } from '#hub';
export type { DownloadOptions, HubModel, HubOptions, HubProgress } from './types.js';
