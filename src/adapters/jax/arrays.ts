/** jax-js arrays to and from host tensors, with its rule of ownership: what is taken is consumed once, whatever happens. */
import { type Device, defaultDevice, Array as JaxArray, numpy as np, tree } from '@jax-js/jax';
import { type ErrorCode, GlobalPercError, type TensorLike } from '../../index.js';
import { kindOf } from '../../options/index.js';
import { hasColoursOn, withLayoutRemedy } from '../remedy.js';

/** What an array held, and where. */
export interface HostArray extends TensorLike {
  readonly device: Device;
}

/**
 * Reads arrays and consumes them all, also where one cannot be read.
 * @throws GlobalPercError naming the one that is no float32 array, or was freed.
 */
export async function readArrays(arrays: Readonly<Record<string, JaxArray>>): Promise<HostArray[]> {
  const given = Object.values(arrays);
  const uses = (array: JaxArray): number => given.filter((other) => other === array).length;
  for (const [name, array] of Object.entries(arrays)) {
    const problem = problemWith(name, array, uses(array));
    if (problem === undefined) continue;
    given.forEach(consume);
    throw problem;
  }
  return Promise.all(
    given.map(async (array) => ({ dims: array.shape, device: array.device, data: await array.data() })),
  );
}

/** Frees one reference to what a call was given, where there is one. */
export function consume(value: unknown): void {
  if (value instanceof JaxArray && value.refCount < 1) return;
  tree.dispose(value as JaxArray);
}

/** @throws GlobalPercError where one of the trees of arrays holds a value that jax-js has yet to compute; all are consumed. */
export function refuseTraced(trees: Readonly<Record<string, unknown>>): void {
  const traced = Object.entries(trees).find(([, value]) => tree.leaves(value as JaxArray).some(isTraced));
  if (traced === undefined) return;
  Object.values(trees).forEach(consume);
  throw new GlobalPercError(
    `${traced[0]} is being traced: the loss runs in ONNX Runtime, outside of grad, vjp, jit and vmap; ` +
      'valueAndGradWith(student, loss), called outside of them, gives the gradients of a student, jitted or not',
    { code: 'invalid-argument' },
  );
}

/** What arrays and the values jax-js traces have in common; it is not exported by name. */
const Tracer: abstract new () => object = Object.getPrototypeOf(JaxArray);

const isTraced = (value: unknown): boolean => value instanceof Tracer && !(value instanceof JaxArray);

/** What keeps a value from being read as often as it is used, if anything. */
function problemWith(name: string, value: unknown, uses: number): GlobalPercError | undefined {
  const problem = (message: string, code: ErrorCode = 'invalid-argument') => new GlobalPercError(message, { code });
  if (!(value instanceof JaxArray)) {
    return problem(
      `${name} should be an array [B, C, H, W] of the @jax-js/jax that globalperc/jax imports, got ${kindOf(value)}`,
    );
  }
  if (value.refCount < uses) {
    return problem(
      `${name} was consumed before, or is given twice: pass ${name}.ref where it is used again`,
      'disposed',
    );
  }
  if (value.dtype !== np.float32)
    return problem(`${name} should be float32, got ${value.dtype}: use ${name}.astype(np.float32)`);
  return undefined;
}

/** An array of another's shape, on its device; it is committed to it only where that is not the default device. */
export function arrayLike(data: Float32Array, { dims, device }: HostArray): JaxArray {
  return np.array(data, { shape: [...dims], ...(device !== defaultDevice() && { device }) });
}

/** An error of a loss with what to do about the layout of one of the images. */
export const explained = (error: unknown, images: readonly HostArray[]): unknown =>
  withLayoutRemedy(
    error,
    images.map(({ dims }) => layoutRemedy(dims)),
  );

/** What to do about an image of another layout than `[B, C, H, W]`, if it looks like one. */
function layoutRemedy(shape: readonly number[]): string | undefined {
  if (shape.length === 3) return `[${shape}] has no batch axis: use np.expandDims(image, 0)`;
  if (hasColoursOn(3, 1, shape)) {
    return `[${shape}] looks like [B, H, W, C], where jax-js' convolutions have [B, C, H, W]: use image.transpose([0, 3, 1, 2])`;
  }
  return undefined;
}
