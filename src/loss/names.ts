/** The names that programs have for their own inputs and outputs, and what the further inputs of a model are called beside them. */

/** Of a loss, an encoded target, a training step; the tensors that a step carries have a colon in their names. */
const OWN =
  /^(pred|target|loss|grad|hook_losses|feature_\d+|input|output(_\d+)?|grad_norm|lr|step|micro_step)$|:|^model_input\./;

/**
 * What an open input of a model is called in a program, and in a compiled file: as the model calls it, unless that is a name of
 * ours; then `model_input.` stands before it. Different inputs get different names.
 */
export const openInputName = (name: string): string => (OWN.test(name) ? `model_input.${name}` : name);
