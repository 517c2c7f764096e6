export { platform } from '#platform';
export { Session, type SessionOptions } from './session.js';
export type { HostTensor } from './types.js';
