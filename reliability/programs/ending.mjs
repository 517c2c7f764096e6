/** Loaded before a program: ends its process as ENDING says, `<how>:<milliseconds after the start>`. */
import { isMainThread } from 'node:worker_threads';

const [how = '', delay = ''] = (process.env.ENDING ?? '').split(':');

/** @type {Record<string, () => unknown>} */
const ENDINGS = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('uncaught');
  },
  reject: () => Promise.reject(new Error('unhandled')),
  SIGINT: () => process.kill(process.pid, 'SIGINT'),
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
};
if (isMainThread) setTimeout(/** @type {() => void} */ (ENDINGS[how]), Number(delay)).unref();
