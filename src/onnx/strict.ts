/** Where ONNX Runtime's inference of shapes can be held to ours. */
import { attributesOf, type Graph, type Node, numbersOf } from '../graph/index.js';

/**
 * Whether the shapes that ONNX Runtime infers when it opens a graph are those its kernels compute (1.30). They are not of
 * windows that a pool would begin in its padding, of automatic padding turned round, of scales that are no integers, and of sums of
 * products where a dimension of 1 stands for a larger one.
 */
export const infersRightly = ({ nodes }: Graph): boolean => nodes.every((node) => !isMisinferred(node));

function isMisinferred(node: Node): boolean {
  const { op, domain, inputs } = node;
  if (domain !== '') return false;
  const attributes = attributesOf(node);
  if (op === 'Einsum') return true;
  if (op.endsWith('Pool')) return attributes.int('ceil_mode', 0) === 1;
  if (op === 'ConvTranspose')
    return attributes.string('auto_pad', 'NOTSET') !== 'NOTSET' || attributes.has('output_shape');
  if (op !== 'Resize') return false;
  const scales = inputs[2]?.constant && numbersOf(inputs[2].constant);
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch');
  return policy !== 'stretch' || scales?.every(Number.isInteger) === false;
}
