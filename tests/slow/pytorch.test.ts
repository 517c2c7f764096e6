/** Compiled losses in two processes of PyTorch: where PYTORCH names a Python that has torch, onnxruntime and pillow. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../docs/documents.js';

const { PYTORCH } = process.env;

it.skipIf(PYTORCH === undefined)(
  'two processes with half a batch each have the gradients of one with the whole',
  async () => {
    const { stdout } = await promisify(execFile)(PYTORCH as string, ['check_ddp.py'], {
      cwd: `${ROOT}/examples/pytorch`,
    });
    expect(stdout).toMatch(/^DDP, process 0 .* within \S+\nDDP, process 1 .* within \S+\ntrain_ddp\.py: \[.*\]\n$/);
  },
  300_000,
);
