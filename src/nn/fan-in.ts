/** How Linear and the convolutions start. */
import { fansOf, uniform } from './init.js';
import type { Parameter } from './parameter.js';

/** Weight and bias uniform in ±1/√fan, fan being the weight's fan_in; PyTorch states it as kaiming_uniform(a = √5). */
export function fanInUniform(weight: Parameter, bias?: Parameter): void {
  const bound = 1 / Math.sqrt(fansOf(weight.shape).fanIn);
  uniform(weight, { a: -bound, b: bound });
  if (bias) uniform(bias, { a: -bound, b: bound });
}
