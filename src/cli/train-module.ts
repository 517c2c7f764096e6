/** What a `.ts` or `.js` configuration of `globalperc train` exports: checked before anything is made of it. */
import { GlobalPercError } from '../index.js';
import type { TrainConfig } from './train-config.js';

const WANTED = '{ student, loss, optimizer, data, steps }';

/**
 * What each key should be. Objects are known by what they have, since a configuration may use another copy of this package
 * than the command does.
 */
const KEYS: Readonly<Record<keyof TrainConfig, readonly [what: string, fits: (value: unknown) => boolean]>> = {
  student: ['an nn.Module', has('forward', 'stateDict')],
  loss: ['a loss, such as new nn.L1Loss()', has('description')],
  optimizer: ['an optimiser, such as new optim.AdamW()', has('update', 'optionsFor')],
  data: ['a DataLoader', has('stream')],
  steps: ['a positive integer', isCount],
  checkpointEvery: ['a positive integer', isCount],
  trainer: ['an object of options', (value) => typeof value === 'object' && value !== null],
};
const OPTIONAL: readonly string[] = ['checkpointEvery', 'trainer'] satisfies (keyof TrainConfig)[];

/** @throws GlobalPercError naming what should be exported, and what came instead. */
export function requireTrainConfig(path: string, exported: unknown): TrainConfig {
  const refused = (message: string): GlobalPercError =>
    new GlobalPercError(`${path}${message}`, { code: 'invalid-option' });
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    throw refused(` should export default ${WANTED}, or a function that returns it, got ${whatCame(exported)}`);
  }
  const config = exported as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(config).find((key) => !Object.hasOwn(KEYS, key));
  if (unknown !== undefined)
    throw refused(` exports the key '${unknown}', which is not known; keys are ${Object.keys(KEYS).join(', ')}`);
  for (const [key, [what, fits]] of Object.entries(KEYS)) {
    const value = config[key];
    if (value === undefined && OPTIONAL.includes(key)) continue;
    if (value === undefined) throw refused(` should export default ${WANTED}; '${key}' is missing`);
    if (!fits(value)) throw refused(`: '${key}' should be ${what}, got ${whatCame(value)}`);
  }
  return exported as TrainConfig;
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0;
}

/** Modules are functions. */
function has(...names: string[]): (value: unknown) => boolean {
  return (value) =>
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    names.every((name) => name in value);
}

function whatCame(value: unknown): string {
  if (value instanceof Promise) return 'a promise: await it first';
  if (value instanceof Function && value.constructor === Function)
    return `the ${/^class\b/.test(String(value)) ? 'class' : 'function'} ${value.name}`;
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return 'an array';
  return value instanceof Object ? `an object of class ${value.constructor.name}` : String(value);
}
