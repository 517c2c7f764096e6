export { platform } from '#platform';
export { download, release, Session, upload, type WrittenGraph, writtenGraph } from './session.js';
export { type Provider, type Purpose, providerOf, type SessionOptions } from './session-options.js';
export { startSync } from './start-sync.js';
export { type Abortable, runSteps, runStepsSync, type Steps } from './steps.js';
export { Turns } from './turns.js';
export type { Contents, HostTensor, Store } from './types.js';
export type { ReadOptions } from './url.js';
