export { platform } from '#platform';
export { download, release, Session, upload } from './session.js';
export type { SessionOptions } from './session-options.js';
export type { HostTensor } from './types.js';
