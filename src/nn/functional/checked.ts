/** The functions as users get them: what should be symbolic tensors is seen to be some, as a class of modules does. */
import { GlobalPercError, kindOf, Tensor } from '../../graph/index.js';
import * as functions from './index.js';

/** How many arguments are tensors, where it is not the first alone. */
const LEADING_TENSORS: Readonly<Partial<Record<string, number>>> = {
  prelu: 2,
  scaledDotProductAttention: 3,
  conv1d: 2,
  conv2d: 2,
  conv3d: 2,
  convTranspose1d: 2,
  convTranspose2d: 2,
  convTranspose3d: 2,
  cosineSimilarity: 2,
  pairwiseDistance: 2,
  embedding: 2,
  linear: 2,
  bilinear: 3,
} satisfies Partial<Record<keyof typeof functions, number>>;

/**
 * The layers as functions of tensors, by the names of torch.nn.functional
 * (https://pytorch.org/docs/stable/nn.functional.html).
 * @throws GlobalPercError from each where it is given data in place of a symbolic tensor.
 */
export const functional = Object.fromEntries(
  Object.entries(functions).map(([name, compute]) => [name, checked(name, compute as (...args: never[]) => unknown)]),
) as typeof functions;

function checked(name: string, compute: (...args: never[]) => unknown): (...args: never[]) => unknown {
  const count = LEADING_TENSORS[name] ?? 1;
  return (...args) => {
    for (let i = 0; i < count; i += 1) {
      if ((args[i] as unknown) instanceof Tensor) continue;
      throw new GlobalPercError(
        `${name}: argument ${i + 1} should be a symbolic tensor, as a module's forward is given it, got ${kindOf(args[i])}; ` +
          'for data, use trainer.predict(input), or loadModel(await toOnnx(module)) and onnxruntime',
        { code: 'invalid-argument' },
      );
    }
    return compute(...args);
  };
}
