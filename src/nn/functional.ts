/** The functions as users get them: what should be symbolic tensors is seen to be some, as a class of modules does. */
import { GlobalPercError, kindOf, Tensor } from '../graph/index.js';
import * as functions from './functional/index.js';

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
 * @namespace
 */
export const functional = Object.fromEntries(
  Object.entries(functions).map(([name, compute]) => [name, checked(name, compute as Compute)]),
) as typeof functions;

type Compute = (...args: never[]) => unknown;

function checked(name: string, compute: Compute): Compute {
  const count = LEADING_TENSORS[name] ?? 1;
  const call: Compute = (...args) => {
    for (let i = 0; i < count; i += 1) requireTensor(args[i], `${name}: argument ${i + 1}`);
    return compute(...args);
  };
  return Object.defineProperty(call, 'name', { value: name });
}

function requireTensor(value: unknown, where: string): void {
  if (value instanceof Tensor) return;
  throw new GlobalPercError(
    `${where} should be a symbolic tensor, as a module's forward is given, got ${kindOf(value)}; for data, use ` +
      'trainer.predict(input), or loadModel(await toOnnx(module)) and onnxruntime',
    { code: 'invalid-argument' },
  );
}
