/** The sampler that a `scheduler_config.json` names. */
import { GlobalPercError } from '../../graph/index.js';
import { isObject, refused } from '../../options/index.js';
import { DDIM } from './ddim.js';
import { DPMSolverMultistep } from './dpm-solver-multistep.js';
import { EulerDiscrete } from './euler-discrete.js';
import type { Sampler } from './sampler.js';

const SAMPLERS: Readonly<Record<string, { fromConfig(config: unknown): Sampler }>> = {
  DDIMScheduler: DDIM,
  EulerDiscreteScheduler: EulerDiscrete,
  DPMSolverMultistepScheduler: DPMSolverMultistep,
};

/**
 * The sampler that a parsed `scheduler_config.json` names by `_class_name`. For another class, such as the PNDMScheduler of
 * Stable Diffusion 1.5, choose one: `DDIM.fromConfig(config)` takes what it knows of any.
 * @throws GlobalPercError for what is no such file, or names a class that is not offered.
 */
export function samplerFromConfig(config: unknown): Sampler {
  if (!isObject(config)) throw refused('samplerFromConfig', 'the content of a scheduler_config.json', config);
  const name = config._class_name;
  const Class = typeof name === 'string' && Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name] : undefined;
  if (Class) return Class.fromConfig(config);
  throw new GlobalPercError(
    `samplerFromConfig: _class_name ${JSON.stringify(name)} is not offered; there are ${Object.keys(SAMPLERS).join(', ')}: ` +
      'call fromConfig of the one you want, e.g. DDIM.fromConfig(config)',
    { code: 'invalid-option' },
  );
}
