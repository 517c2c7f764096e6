/** What computes: the GPU where the page can have one, else WebAssembly. */
import type { SessionOptions } from 'globalperc';

export type Device = 'webgpu' | 'wasm';

/** The build of ONNX Runtime for GPUs; the package leaves it out, a site and a checkout have it. */
const GPU_RUNTIME = 'assets/ort-wasm-simd-threaded.asyncify.wasm';

let lost = false;

/** From now on there is none: ONNX Runtime does not open a lost device again. */
export function giveUpGpu(): void {
  lost = true;
}

/** Whether there are a GPU and the files to use it. */
export async function hasGpu(): Promise<boolean> {
  if (lost) return false;
  const gpu = (navigator as { readonly gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (!adapter) return false;
  const found = await fetch(GPU_RUNTIME, { method: 'HEAD' }).catch(() => undefined);
  return found?.ok === true && !found.headers.get('content-type')?.includes('html');
}

export const sessionFor = (device: Device): SessionOptions =>
  device === 'webgpu' ? { executionProviders: ['webgpu'] } : {};
