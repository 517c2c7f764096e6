/** One call of a loss: from tensors to numbers. Read top to bottom, this is the way from `valueAndGrad` to the session. */
import { described, type Runner } from '../compile/index.js';
import { areFinite, bytesOf, GlobalPercError, type Shape, type TypedArray } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import type { Contents, HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { type CallOptions, describeHook, type HookLoss, type LossDescription } from './description.js';
import { draftLoss, draftTarget, type Given, type LossDetails, type TargetSource, type Wanted } from './draft.js';
import { EncodedTarget } from './encoded-target.js';
import { type LossMap, lossMap } from './loss-map.js';
import { maskFeeds } from './mask.js';
import { openFeeds } from './open-inputs.js';

/** What was computed. */
export interface Computed {
  readonly value: number;
  readonly hooks: readonly HookLoss[];
  /** Loss of each sample by itself; undefined where samples cannot be told apart. */
  readonly samples: Float32Array | undefined;
  readonly grad: (HostTensor & { readonly data: Float32Array }) | undefined;
}

/** A loss that can be run. */
export interface Runnable {
  /** To whom encoded targets belong. */
  readonly owner: object;
  readonly description: LossDescription;
  readonly runner: Runner<LossDetails>;
  readonly session: SessionOptions;
}

/** The value, the losses of hooks and samples and, where asked for, the gradient. */
export function* compute(
  loss: Runnable,
  pred: TensorLike,
  target: TensorLike | EncodedTarget,
  withGradient: boolean,
  options: CallOptions,
): Steps<Computed> {
  const wanted: Wanted[] = withGradient ? ['grad', 'samples'] : ['samples'];
  const { details, outputs } = yield* run(loss, pred, target, wanted, options);
  return finite(computed(details, outputs), pred.dims, options);
}

/** The value, and where in the image it arises. */
export function* computeMap(
  loss: Runnable,
  pred: TensorLike,
  target: TensorLike | EncodedTarget,
  byHook: boolean,
  options: CallOptions,
): Steps<LossMap> {
  const { details, outputs } = yield* run(loss, pred, target, byHook ? ['map', 'hook_maps'] : ['map'], options);
  const { value, hooks } = finite(computed(details, outputs), pred.dims, options);
  return lossMap(value, hooks, details, outputs);
}

function* run(
  loss: Runnable,
  pred: TensorLike,
  target: TensorLike | EncodedTarget,
  wanted: readonly Wanted[],
  options: CallOptions,
): Steps<{ details: LossDetails; outputs: Features }> {
  const { description, session, runner } = loss;
  const image = entered(description, 'pred', pred);
  const { source, feeds } = targetOf(loss, target, image.dims);
  const mask = maskFeeds(options.mask, image.dims);
  const context = { session, options };
  yield* description.prepare?.(image.dims, context) ?? [];
  const open = openFeeds(description.openInputs, options);
  const given: Given = { pred: image.dims, target: source, ...(mask.mask && { mask: mask.mask.dims }) };
  const purpose = [...wanted, source.features ? 'encoded' : 'image', mask.mask ? 'masked' : 'whole'].join(' ');
  const key = keyOf(purpose, [image.dims, source.shape, given.mask ?? []], open);
  const program = yield* runner.program(key, () => draftLoss(description, given, wanted, context), options);
  return { details: program.details, outputs: yield* program.session.run({ pred: image, ...feeds, ...open, ...mask }) };
}

/** What is read of a target, once; it stays beside the session. */
export function* encode(loss: Runnable, target: TensorLike, options: CallOptions): Steps<[Shape, Features]> {
  const { image, open, draft } = yield* reading(loss, target, options);
  const program = yield* loss.runner.program(keyOf('encode', [image.dims], open), draft, options);
  return [image.dims, yield* program.session.runKept({ target: image, ...open })];
}

/** The same as data, in order. */
export function* readTarget(loss: Runnable, target: TensorLike, options: CallOptions): Steps<HostTensor[]> {
  const { image, open, draft } = yield* reading(loss, target, options);
  const program = yield* loss.runner.program(keyOf('encode', [image.dims], open), draft, options);
  return Object.values(yield* program.session.run({ target: image, ...open }));
}

/**
 * All that decides what is read of a target, as text.
 * @throws GlobalPercError where that cannot be told.
 */
export function* describeReading(
  loss: Runnable,
  target: TensorLike,
  contents: Contents,
  options: CallOptions,
): Steps<string> {
  const { open, draft } = yield* reading(loss, target, options);
  const found = described((yield* draft()).graph, contents);
  if (found) {
    const given = Object.entries(open).map(([name, { data }]) => [
      name,
      contents.digest([bytesOf(data as TypedArray)]),
    ]);
    return `${found.text}\n${JSON.stringify(given)}`;
  }
  throw new GlobalPercError('encodeAll: this model holds branches or loops that are decided by the image; use encode', {
    code: 'invalid-option',
  });
}

/** What reading a target takes. */
function* reading({ description, session }: Runnable, target: TensorLike, options: CallOptions) {
  if (options.mask !== undefined) {
    throw new GlobalPercError('encode takes no mask: give it to the call that compares', { code: 'invalid-argument' });
  }
  const image = entered(description, 'target', target);
  const context = { session, options };
  yield* description.prepare?.(image.dims, context) ?? [];
  const open = openFeeds(description.openInputs, options);
  return { image, open, draft: () => draftTarget(description, image.dims, context) };
}

type Features = Readonly<Record<string, HostTensor>>;

function entered(description: LossDescription, name: string, tensor: TensorLike): HostTensor {
  const image = toFloat32(tensor, name);
  description.inspect?.(name, image);
  return image;
}

function targetOf(
  loss: Runnable,
  target: TensorLike | EncodedTarget,
  output: Shape,
): { source: TargetSource; feeds: Features } {
  if (target instanceof EncodedTarget) {
    return { source: { shape: target.shape, features: target.types(loss.owner) }, feeds: target.feeds(loss.owner) };
  }
  const image = entered(loss.description, 'target', target);
  loss.description.requireTarget?.(image, output);
  return { source: { shape: image.dims }, feeds: { target: image } };
}

/** Programs differ in what they compute, and in the shapes of all they are given. */
const keyOf = (purpose: string, shapes: readonly Shape[], open: Features): string =>
  [purpose, ...[...shapes, ...Object.values(open).map(({ dims }) => dims)].map((shape) => shape.join('x'))].join(' ');

/** Value, losses of hooks and samples, and gradient from a program's outputs. */
export function computed({ hooks }: LossDetails, outputs: Features): Computed {
  const { loss, hook_losses: hookLosses, samples, hook_samples: hookSamples, grad } = outputs;
  const floats = samples?.data as Float32Array | undefined;
  const rows = floats && hookSamples && (hookSamples.data as Float32Array);
  return {
    value: Number(loss?.data?.[0]),
    hooks: hooks.map((hook, i) => ({
      ...hook,
      loss: Number(hookLosses?.data?.[i]),
      ...(rows && { samples: rows.slice(i * floats.length, (i + 1) * floats.length) }),
    })),
    samples: floats,
    grad: grad && { ...grad, data: grad.data as Float32Array },
  };
}

/** @throws GlobalPercError when the loss or its gradient is NaN or infinite: the input was finite, so the cause lies in the loss. */
function finite(result: Computed, shape: Shape, { mask }: CallOptions): Computed {
  const { value, hooks, grad } = result;
  if (Number.isNaN(value) && mask !== undefined) {
    throw new GlobalPercError('mask is empty where the loss looks: the transform cuts away all that it marks', {
      code: 'invalid-argument',
    });
  }
  if (!Number.isFinite(value)) throw notFinite(`the loss is ${value}`, hooks);
  if (grad === undefined || areFinite(grad.data)) return result;
  const bad = grad.data.findIndex((element) => !Number.isFinite(element));
  throw notFinite(`the gradient holds ${grad.data[bad]} at element ${bad} of [${shape}]`, hooks);
}

function notFinite(what: string, hooks: readonly HookLoss[]): GlobalPercError {
  const broken = hooks.find((hook) => !Number.isFinite(hook.loss));
  const where = broken ? `, first at ${describeHook(broken)}` : '';
  return new GlobalPercError(
    `${what}${where}, though both images are finite: hook other modules or choose another lossFunc; ` +
      'activations beyond float32 overflow',
    { code: 'not-finite' },
  );
}
