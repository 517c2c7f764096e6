/** Tensors out of the storages they are views of. */
import {
  bytesPerElement,
  type DataType,
  GlobalPercError,
  sizeOf,
  type TypedArray,
  typedArray,
} from '../graph/index.js';
import type { PickledTensor } from './pickle-values.js';
import type { SafeTensor } from './safetensors.js';

/** Bytes that any file may take, however small. */
const FLOOR = 1 << 24;

/** Keeps a small file from filling the memory: what is unpacked and copied is at most twice as long as the file. */
export class MemoryBudget {
  private left: number;

  constructor(
    private readonly source: string,
    fileLength: number,
  ) {
    this.left = 2 * fileLength + FLOOR;
  }

  /** Takes bytes that are about to be read or copied. @throws GlobalPercError when there is no room for so many. */
  spend(length: number): void {
    this.left -= length;
    // Also when it is not a number.
    if (!(this.left >= 0)) {
      throw new GlobalPercError(
        `${this.source}: its tensors take more than twice the bytes of the file; if they are compressed or expanded views, ` +
          'save contiguous copies, in Python: torch.save({k: v.contiguous() for k, v in state.items()}, path)',
        { code: 'invalid-file' },
      );
    }
  }

  /** @throws GlobalPercError when there is no room for so many bytes. */
  allocate(length: number): Uint8Array {
    this.spend(length);
    try {
      return new Uint8Array(length);
    } catch (cause) {
      throw new GlobalPercError(`${this.source}: there is no memory for a tensor of ${length} bytes`, {
        code: 'runtime',
        cause,
      });
    }
  }
}

/**
 * The tensor in row-major order: a view of its storage's bytes if it lies there so, else a copy.
 * @throws GlobalPercError when copies take more memory than the budget has.
 */
export function contiguous(
  { dims, strides, offset }: PickledTensor,
  dtype: DataType,
  storage: Uint8Array,
  budget: MemoryBudget,
): SafeTensor {
  const width = bytesPerElement(dtype);
  const count = sizeOf(dims);
  if (count === 0) return { dtype, dims, data: typedArray(dtype, new Uint8Array(0)) };
  if (isRowMajor(dims, strides)) {
    return { dtype, dims, data: typedArray(dtype, storage.subarray(offset * width, (offset + count) * width)) };
  }
  const data = typedArray(dtype, budget.allocate(count * width));
  const elements = typedArray(dtype, storage.subarray(0, storage.length - (storage.length % width)));
  gather(elements, data, dims, strides, offset);
  return { dtype, dims, data };
}

function isRowMajor(dims: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
    const dim = dims[axis] as number;
    if (dim !== 1 && strides[axis] !== step) return false;
    step *= dim;
  }
  return true;
}

/** Copies the elements of a view in row-major order. */
function gather(
  from: TypedArray,
  to: TypedArray,
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
): void {
  const last = dims.length - 1;
  const inner = dims[last] as number;
  const step = strides[last] as number;
  const at = dims.map(() => 0);
  let begin = offset;
  for (let done = 0; done < to.length; ) {
    for (let i = 0; i < inner; i += 1, done += 1) to[done] = from[begin + i * step] as number;
    for (let axis = last - 1; axis >= 0; axis -= 1) {
      const index = (at[axis] as number) + 1;
      begin += strides[axis] as number;
      at[axis] = index;
      if (index < (dims[axis] as number)) break;
      begin -= index * (strides[axis] as number);
      at[axis] = 0;
    }
  }
}
