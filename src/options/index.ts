/**
 * One checker for everything a caller hands in by name: constructor options, call options, JSON. A check takes a value and
 * gives it back as what it is – or as what it stands for, which makes the same tables read configuration files.
 */

export { kindOf } from '../graph/index.js';
export {
  abortSignal,
  anything,
  boolean,
  byteCount,
  type Check,
  callback,
  count,
  instanceOf,
  integer,
  isObject,
  listOf,
  type MemorySize,
  matching,
  number,
  oneOf,
  pairOf,
  positive,
  recordOf,
  regExp,
  repeats,
  shape,
  string,
  withMethods,
} from './checks.js';
export { choice, made, withArgument, within } from './json.js';
export { nearest } from './nearest.js';
export { type Checks, checkOptions, required } from './options.js';
export { refused, unknownKey } from './refused.js';
