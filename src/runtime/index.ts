export { platform } from '#platform';
export { download, release, Session, type SessionOptions, upload } from './session.js';
export type { HostTensor } from './types.js';
