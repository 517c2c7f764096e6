/** LoRA files on disk. */
import { readBytes, writeAtomically } from '../files/index.js';
import type { AnyModule, LoraAdapters } from '../nn/index.js';
import { checkOptions, string } from '../options/index.js';
import {
  fileChecks,
  formatLora,
  type LoraFileOptions,
  type LoraPartOptions,
  parseLora,
  partChecks,
} from './lora-file.js';

/**
 * Writes adapters as a safetensors file, whole or not at all. Where a trainer holds the weights, it fetches them first.
 * @throws GlobalPercError as `formatLora`, and when the file cannot be written.
 */
export async function saveLora(adapters: LoraAdapters, file: string, options: LoraFileOptions = {}): Promise<void> {
  string(file, 'saveLora: file');
  checkOptions(options, fileChecks, 'saveLora');
  await adapters?.module?.synchronize();
  await writeAtomically(file, formatLora(adapters, options));
}

/** Puts the adapters of a file on the layers of a module. @throws GlobalPercError as `parseLora`, and when the file cannot be read. */
export async function loadLora(module: AnyModule, file: string, options: LoraPartOptions = {}): Promise<LoraAdapters> {
  string(file, 'loadLora: file');
  checkOptions(options, partChecks, 'loadLora');
  return parseLora(module, await readBytes(file), `'${file}'`, options);
}
