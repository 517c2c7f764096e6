/** The gate that keeps a process from ending while its worker is inside native code. */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { closeGate, insideGate, openGate } from '../../src/runtime/native-gate.mjs';

it('lets one task after the other in, failing ones too, until it is closed', async () => {
  const gate = openGate();
  expect(await insideGate(gate, async () => 1)).toBe(1);
  await expect(insideGate(gate, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  let looked = false;
  closeGate(gate, () => {
    looked = true;
    return true;
  });
  expect(looked).toBe(false);
  let entered = false;
  insideGate(gate, async () => {
    entered = true;
  });
  await new Promise(setImmediate);
  expect(entered).toBe(false);
});

it('waits when it closes for what is inside, and not for what would come next', async () => {
  const gate = openGate();
  const done = new Int32Array(new SharedArrayBuffer(4));
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { gate, done, url } = workerData;
    import(url).then(async ({ insideGate }) => {
      for (let task = 0; task < 3; task += 1) {
        await insideGate(gate, async () => {
          parentPort.postMessage('inside');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
          Atomics.add(done, 0, 1);
        });
      }
    });`;
  const url = new URL('../../src/runtime/native-gate.mjs', import.meta.url).href;
  const worker = new Worker(script, { eval: true, workerData: { gate, done, url } });
  await new Promise((inside) => worker.once('message', inside));
  closeGate(gate, () => true);
  const then = Atomics.load(done, 0);
  expect(then).toBeGreaterThan(0);
  await new Promise((ended) => worker.once('exit', ended));
  expect(Atomics.load(done, 0)).toBe(then);
});

it('does not wait for a thread that has ended inside', () => {
  const gate = openGate();
  insideGate(gate, () => new Promise(() => {}));
  let looks = 0;
  closeGate(gate, () => {
    looks += 1;
    return looks < 3;
  });
  expect(looks).toBe(3);
});
