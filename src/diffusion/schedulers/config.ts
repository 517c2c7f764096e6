/** diffusers' `scheduler_config.json` as options. */
import { GlobalPercError } from '../../graph/index.js';
import { type Checks, checkOptions, isObject, refused } from '../../options/index.js';

/** What changes the samples and is not offered here, with the values that mean it is off. */
const OFF: Readonly<Record<string, readonly unknown[]>> = {
  thresholding: [false],
  use_exponential_sigmas: [false],
  use_beta_sigmas: [false],
  use_lu_lambdas: [false],
  use_flow_sigmas: [false],
  use_dynamic_shifting: [false],
  interpolation_type: ['linear'],
  timestep_type: ['discrete'],
  algorithm_type: ['dpmsolver++'],
  solver_type: ['midpoint'],
};

/** Settings of one class that another of that name does not read: `clip_sample` of a DDIM does nothing to DPM++. */
const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/**
 * The options that a class takes of a config; what other classes alone read is passed over, as diffusers does.
 * @throws GlobalPercError for what is no config, or asks for something that the class would have and does not.
 */
export function optionsOf<Options extends object>(config: unknown, checks: Checks<Options>, where: string): Options {
  if (!isObject(config)) throw refused(where, 'the content of a scheduler_config.json', config);
  for (const [key, off] of Object.entries(OFF)) {
    const value = config[key] ?? off[0];
    if (off.includes(value)) continue;
    throw new GlobalPercError(
      `${where}: ${key} ${JSON.stringify(value)} is not offered; expected ${JSON.stringify(off[0])}`,
      { code: 'invalid-option' },
    );
  }
  const known = Object.entries(config)
    .map(([key, value]) => [camelCase(key), value ?? undefined] as const)
    .filter(([key]) => Object.hasOwn(checks, key));
  return checkOptions(Object.fromEntries(known), checks, where);
}
