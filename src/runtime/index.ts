export { platform } from '#platform';
export { Session, type SessionOptions } from './session.js';
export type { Feed, HostTensor } from './types.js';
