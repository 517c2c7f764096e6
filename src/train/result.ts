/** What a step gives back. */
import { GlobalPercError, type Shape } from '../graph/index.js';
import { describeHook, type HookLoss } from '../loss/index.js';
import type { HostTensor } from '../runtime/index.js';

/** What a step gives back. */
export interface StepResult {
  /** Steps taken, with this one. */
  readonly step: number;
  readonly loss: number;
  /** Losses of the single hooks; empty for losses without hooks. */
  readonly hooks: readonly HookLoss[];
  /** Norm of all gradients together, before clipping. */
  readonly gradNorm: number;
  /** Learning rate of this step, of parameters without a group of their own. */
  readonly lr: number;
  /** Further numbers that the loss reports, by name. */
  readonly logged: Readonly<Record<string, number>>;
}

/** What `Trainer.evaluate` gives. */
export interface Evaluation extends Pick<StepResult, 'loss' | 'hooks'> {
  /** Loss of each sample by itself, `[B]`; absent where samples cannot be told apart, as in `ValueAndGrad`. */
  readonly samples?: Float32Array;
}

/** What `Trainer.predict` gives. */
export interface Prediction {
  readonly dims: Shape;
  /** Row-major. */
  readonly data: Float32Array;
}

/** The number in a tensor of one element. */
export const scalar = (tensor: HostTensor | undefined): number => Number(tensor?.data?.[0]);

/** @throws GlobalPercError naming the step and the first hook whose loss is NaN or infinite. */
export function requireFinite({ step, loss, hooks, gradNorm, logged }: StepResult): void {
  const other = Object.entries(logged).find(([, value]) => !Number.isFinite(value));
  if (Number.isFinite(loss) && Number.isFinite(gradNorm) && other === undefined) return;
  const broken = hooks.find((hook) => !Number.isFinite(hook.loss));
  const where = broken ? `, first at ${describeHook(broken)}` : '';
  const norm = Number.isFinite(gradNorm) && other ? `${other[0]} is ${other[1]}` : `the gradient's norm is ${gradNorm}`;
  const what = Number.isFinite(loss) ? norm : `the loss is ${loss}${where}`;
  throw new GlobalPercError(
    `step ${step}: ${what}; weights and optimiser are those of step ${step - 1}. A lower lr or clipGradNorm may help`,
    { code: 'not-finite' },
  );
}
