/** What changes the samples and is not offered. */
import type { Off } from '../config.js';

export const LEFT_OUT: Off = {
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
