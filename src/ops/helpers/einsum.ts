/** Index arithmetic of Einsum (https://onnx.ai/onnx/operators/onnx__Einsum.html). */
import { constantOf, GlobalPercError, type Shape, string, type Tensor } from '../../graph/index.js';

import { requireRank, requireThat } from './fits.js';

/** An equation with one letter per dimension; an ellipsis is spelled out by letters of its own. */
export interface Equation {
  readonly operands: readonly string[];
  readonly output: string;
}

/** Letters that stand for the dimensions of an ellipsis; equations themselves rarely use capitals from the end. */
const ELLIPSIS_LETTERS = 'ZYXWVUTS';

/** Parses an equation and spells out its ellipsis. @throws GlobalPercError when it does not fit the operands. */
export function einsum(equation: string, inputs: readonly Tensor[]): Equation {
  const [left = '', right] = equation.replaceAll(/\s/g, '').split('->');
  const terms = left.split(',');
  if (terms.length !== inputs.length) {
    throw new GlobalPercError(`equation '${equation}' names ${terms.length} operands, ${inputs.length} are given`, {
      code: 'invalid-model',
    });
  }
  const hidden = terms.map((term, i) => (term.includes('...') ? (inputs[i] as Tensor).rank - term.length + 3 : 0));
  const widest = Math.max(...hidden);
  const spell = (count: number): string => ELLIPSIS_LETTERS.slice(widest - count, widest);
  const operands = terms.map((term, i) => term.replace('...', spell(hidden[i] as number)));
  const output = right === undefined ? implicitOutput(operands, spell(widest)) : right.replace('...', spell(widest));
  return { operands, output };
}

/** Without an arrow: the ellipsis, then every label that occurs once, in alphabetical order. */
function implicitOutput(operands: readonly string[], ellipsis: string): string {
  const labels = [...operands.join('')].filter((label) => !ellipsis.includes(label));
  return (
    ellipsis +
    labels
      .filter((label) => labels.indexOf(label) === labels.lastIndexOf(label))
      .sort()
      .join('')
  );
}

/** Size of every label; a dimension of 1 broadcasts. */
function sizes({ operands }: Equation, inputs: readonly Tensor[]): Map<string, number> {
  const found = new Map<string, number>();
  operands.forEach((labels, i) => {
    const { shape } = inputs[i] as Tensor;
    requireRank(`operand '${labels}'`, inputs[i], labels.length);
    [...labels].forEach((label, axis) => {
      const [known, size] = [found.get(label) ?? 1, shape[axis] as number];
      requireThat(
        known === 1 || size === 1 || known === size,
        () => `label '${label}' stands for ${known} and for ${size}`,
      );
      found.set(label, size === 1 ? known : size);
    });
  });
  return found;
}

export function einsumShape(equation: Equation, inputs: readonly Tensor[]): Shape {
  const sizeOfLabel = sizes(equation, inputs);
  return [...equation.output].map((label) => sizeOfLabel.get(label) ?? 1);
}

/**
 * Gradient of operand i: contract dy with the other operands onto the labels of i. Labels that only operand i has were
 * summed out, so the gradient is the same along them. A repeated label (a diagonal) spreads back onto the diagonal.
 */
export function einsumGradient(equation: Equation, inputs: readonly Tensor[], index: number, dy: Tensor): Tensor {
  const labels = equation.operands[index] as string;
  const distinct = [...new Set(labels)].join('');
  const others = equation.operands.filter((_, i) => i !== index);
  const available = [...distinct]
    .filter((label) => equation.output.includes(label) || others.join('').includes(label))
    .join('');
  const text = `${[equation.output, ...others].join(',')}->${available}`;
  const contracted = dy.graph.emit('Einsum', [dy, ...inputs.filter((_, i) => i !== index)], {
    equation: string(text),
  })[0] as Tensor;
  const sizeOfLabel = sizes(equation, inputs);
  const kept = contracted.reshape(
    [...distinct].map((label) => (available.includes(label) ? contracted.dim(available.indexOf(label)) : 1)),
  );
  const full = kept.expand([...distinct].map((label, axis) => Math.max(kept.dim(axis), sizeOfLabel.get(label) ?? 1)));
  return labels === distinct ? full : onDiagonal(full, distinct, labels);
}

/** Puts a tensor over distinct labels onto the diagonal of one with repeated labels. */
function onDiagonal(x: Tensor, distinct: string, labels: string): Tensor {
  const dims = [...labels].map((label) => x.dim(distinct.indexOf(label)));
  const firsts = [...labels].map((label, axis) => labels.indexOf(label) === axis);
  let result = x.reshape(dims.map((dim, axis) => (firsts[axis] ? dim : 1)));
  labels.split('').forEach((label, axis) => {
    if (firsts[axis]) return;
    const size = dims[axis] as number;
    const shape = dims.map((_, i) => (i === axis || i === labels.indexOf(label) ? size : 1));
    const identity = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    result = result.mul(x.graph.constant(constantOf(x.dtype, shape, identity)));
  });
  return result;
}
