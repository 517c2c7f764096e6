/** Files of torch.save (https://pytorch.org/docs/stable/notes/serialization.html). */
import type { OpenFile } from '../files/index.js';
import { fileKind, GlobalPercError, KIND_BYTES } from '../graph/index.js';
import { latin1 } from './pickle-literals.js';
import type { PickledStorage, PickledTensor } from './pickle-values.js';
import type { SafeTensor } from './safetensors.js';
import { contiguous, MemoryBudget } from './strided.js';
import { tensorsIn } from './torch-checkpoint.js';
import type { TorchContainer } from './torch-container.js';
import { openTorchLegacy } from './torch-legacy.js';
import { openTorchZip } from './torch-zip.js';

/**
 * Tensors by name of a file of torch.save. Those that are views of one storage in it share their memory.
 * @param source the file's name, for messages.
 * @param wanted names the tensors to read; default: all.
 * @throws GlobalPercError when it is damaged, is no such file, or holds no dict of tensors.
 */
export async function readTorchFile(
  file: OpenFile,
  source: string,
  wanted: (name: string) => boolean = () => true,
): Promise<Map<string, SafeTensor>> {
  const budget = new MemoryBudget(source, file.length);
  const container = await openContainer(file, source, budget);
  const reader = new TensorReader(container, source, budget);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, tensor] of tensorsIn(container.value, source)) {
    if (wanted(name)) tensors.set(name, await reader.read(name, tensor));
  }
  return tensors;
}

async function openContainer(file: OpenFile, source: string, budget: MemoryBudget): Promise<TorchContainer> {
  const bytes = file.read(0, Math.min(file.length, KIND_BYTES));
  const begin = latin1(bytes.subarray(0, 24));
  if (begin.startsWith('PK')) return openTorchZip(file, source, budget);
  // A pickle of protocol 2 and later, and an older one that is a long integer.
  if (/^[\x80L]/.test(begin)) return openTorchLegacy(file, source, budget);
  const kind = fileKind(bytes);
  throw new GlobalPercError(
    `${source} is no file of torch.save: it ${kind ? `is ${kind}` : `begins with ${JSON.stringify(begin)}`}; ` +
      'get it again, or save the weights in Python: torch.save(model.state_dict(), path)',
    { code: 'invalid-file' },
  );
}

/** Reads each storage and each tensor once, however many names it has. */
class TensorReader {
  private readonly storages = new Map<PickledStorage, Uint8Array>();
  private readonly tensors = new Map<PickledTensor, SafeTensor>();

  constructor(
    private readonly container: TorchContainer,
    private readonly source: string,
    private readonly budget: MemoryBudget,
  ) {}

  async read(name: string, tensor: PickledTensor): Promise<SafeTensor> {
    const known = this.tensors.get(tensor);
    if (known) return known;
    const { dtype, name: element } = tensor.element;
    if (dtype === undefined) {
      throw new GlobalPercError(
        `${this.source}: tensor '${name}' is ${element}, which is not read; convert it in Python, e.g. tensor.float()`,
        { code: 'invalid-file' },
      );
    }
    const bytes = this.storages.get(tensor.storage) ?? (await this.container.read(tensor.storage));
    this.storages.set(tensor.storage, bytes);
    const read = contiguous(tensor, dtype, bytes, this.budget);
    this.tensors.set(tensor, read);
    return read;
  }
}
