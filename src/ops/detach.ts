/** The node of `Tensor.detach`, in the internal domain: written as Identity. */
import { defineOp } from './define.js';
import { sameAsInput } from './helpers/infer.js';

/** y = x, through which no gradient flows */
export const Detach = defineOp({ infer: sameAsInput });
