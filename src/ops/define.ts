/**
 * How an operator is described: one entry says what type its outputs have and how gradients flow back.
 * Adding an operator touches its family's file and its test cases, nothing else.
 */
import {
  type AttributeReader,
  GlobalPercError,
  type Node,
  type Tensor,
  type TensorType,
  type Value,
} from '../graph/index.js';
import { requireRank, requireShape } from './helpers/fits.js';

/** What `infer` sees besides the inputs. */
export interface InferContext {
  readonly attributes: AttributeReader;
  readonly node: Node;
  /** How many outputs the node has. */
  readonly outputCount: number;
}

/** What a gradient rule sees besides the inputs. */
export interface VjpContext extends InferContext {
  readonly outputs: readonly Tensor[];
  /** The first output. */
  readonly y: Tensor;
  /** Gradient of the loss with respect to the first output; throws when only other outputs carry one. */
  readonly dy: Tensor;
  /** Gradients of all outputs; `undefined` where none arrived. */
  readonly dys: readonly (Tensor | undefined)[];
}

/** Gradient for one input, computed on demand; `null`: not differentiable, no gradient flows. */
export type Gradient = (() => Tensor) | null;

/**
 * One operator. Inputs are passed by position, `undefined` for optional ones that are left out, so a rule declares
 * just the parameters it needs. A gradient may have any shape the input's shape broadcasts to: the driver sums.
 */
export interface OpDefinition {
  /** Types of the outputs, from static input types and constant inputs. */
  readonly infer: (context: InferContext, ...inputs: Tensor[]) => TensorType | readonly TensorType[];
  /** Vector-Jacobian product, one entry per input; absent: the operator has no gradient (comparisons, rounding, shapes). */
  readonly vjp?: (context: VjpContext, ...inputs: Tensor[]) => readonly Gradient[];
  /** Opset in which the operator appeared with this signature, where that is later than the graph's base opset. */
  readonly since?: number;
  /** Gives another value at each run, so constant folding must leave it alone. */
  readonly random?: true;
}

export const defineOp = (definition: OpDefinition): OpDefinition => definition;

/** The type of an output depends on the elements of an input, which are not known. */
export class ValueNeededError extends GlobalPercError {
  /** The input. */
  readonly value: Value;

  constructor({ op, name }: Node, { value }: Tensor, what: string) {
    super(`${op} '${name}': ${what} must be known at compile time, but depend on the data`, {
      code: 'unsupported-operator',
    });
    this.value = value;
  }
}

/** The list of constant integers an operator needs at compile time (axes, shapes, repeats). @throws ValueNeededError */
export function constantInts(context: InferContext, input: Tensor | undefined, what: string): number[] | undefined {
  requireRank(what, input, 1);
  return constantsOf(context, input, what);
}

/** The constant number an operator needs at compile time. @param rank Of its tensor. @throws ValueNeededError */
export function constantNumber(
  context: InferContext,
  input: Tensor | undefined,
  what: string,
  rank: 0 | 1 = 0,
): number | undefined {
  requireShape(what, input, rank === 0 ? [] : [1]);
  return constantsOf(context, input, what)?.[0];
}

function constantsOf({ node }: InferContext, input: Tensor | undefined, what: string): number[] | undefined {
  if (input === undefined) return undefined;
  const values = input.constantValues();
  if (values === undefined) throw new ValueNeededError(node, input, what);
  return values;
}
