/** Weights of modules in files, as PyTorch and Hugging Face write them. */
import { openForReading, openInPlace } from '../files/index.js';
import { GlobalPercError, listed } from '../graph/index.js';
import { string } from '../options/index.js';
import { readIndex, weightsFileOf } from './index-file.js';
import { withoutPrefix } from './prefix.js';
import { readSafetensors, type SafeTensor } from './safetensors.js';
import { readTorchFile } from './torch-file.js';

/** What DataParallel, DistributedDataParallel and averages of weights put before every name. */
const WRAPPER = 'module.';

/** What torch.compile, FSDP and activation checkpointing put into a path, before each module they wrap; no other has such a name. */
const INSIDE = /(?<=^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** How many models an average is of: beside its weights. */
const AVERAGED = 'n_averaged';

/**
 * Tensors by name from a file, in their own types: `net.loadStateDict(await readStateDict('weights.pth'))`.
 *
 * A `.safetensors` file, a file of torch.save (`.pt`, `.pth`, `.bin`, `.pkl` …, of any PyTorch), a sharded
 * `*.safetensors.index.json` or `*.bin.index.json`, or the folder that holds such an index. No code in a file is run.
 * From a checkpoint that holds more than the weights, they are those of the first entry of `state_dict`,
 * `model_state_dict`, `model`, `teacher`, `params_ema`, `params` that is a dict with tensors; else the tensors of the
 * checkpoint's own dict; else those of its only entry that is a dict with tensors.
 *
 * Names lose what wrappers add: torch.compile's `_orig_mod.`, `_fsdp_wrapped_module.` and `_checkpoint_wrapped_module.`
 * wherever they stand in a path; `module.` of DataParallel and DistributedDataParallel where all names begin with it, and
 * `n_averaged` of an AveragedModel with it; `model.` where all names begin with it and the file is a checkpoint of
 * Lightning. Tensors that are views of the same storage share their memory.
 * @throws GlobalPercError when a file is missing, truncated, damaged or of another kind, or holds more than tensors and
 * plain containers.
 */
export const readStateDict = (path: string): Promise<Record<string, SafeTensor>> => stateDictOf(path, readTensors);

/**
 * As `readStateDict`, but large tensors of safetensors files stay there, where ONNX Runtime maps them: the files must not change as long as
 * a model has them.
 */
export const placedStateDict = (path: string): Promise<Record<string, SafeTensor>> => stateDictOf(path, placedTensors);

type ReadTensors = (path: string) => Promise<Map<string, SafeTensor>>;

async function stateDictOf(path: string, read: ReadTensors): Promise<Record<string, SafeTensor>> {
  const file = await weightsFileOf(string(path, 'readStateDict: path'));
  const tensors = file.endsWith('.json') ? await readShards(file, read) : await read(file);
  return Object.fromEntries(withoutWrappers(tensors));
}

async function readTensors(path: string): Promise<Map<string, SafeTensor>> {
  const file = await openForReading(path);
  const source = `'${path}'`;
  return path.endsWith('.safetensors') ? readSafetensors(file, source).tensors : readTorchFile(file, source);
}

async function placedTensors(path: string): Promise<Map<string, SafeTensor>> {
  if (!path.endsWith('.safetensors')) return readTensors(path);
  const file = await openInPlace(path);
  return readSafetensors(file, `'${path}'`, file.place).tensors;
}

async function readShards(index: string, read: ReadTensors): Promise<Map<string, SafeTensor>> {
  const tensors = new Map<string, SafeTensor>();
  for (const [path, names] of await readIndex(index)) {
    const shard = await read(path);
    const missing = names.filter((name) => !shard.has(name));
    if (missing.length > 0) {
      throw new GlobalPercError(`'${path}' lacks tensors that '${index}' places there: ${listed(missing)}`, {
        code: 'invalid-file',
      });
    }
    for (const name of names) tensors.set(name, shard.get(name) as SafeTensor);
  }
  return tensors;
}

function withoutWrappers(tensors: ReadonlyMap<string, SafeTensor>): ReadonlyMap<string, SafeTensor> {
  const unwrapped = new Map(Array.from(tensors, ([name, tensor]) => [name.replace(INSIDE, ''), tensor]));
  // Two names that become one are names of different modules.
  const weights = unwrapped.size === tensors.size ? unwrapped : tensors;
  const averaged = new Map(Array.from(weights).filter(([name]) => name !== AVERAGED));
  return withoutPrefix(averaged, WRAPPER) ?? weights;
}
