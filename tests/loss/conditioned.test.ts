/** CLIP with texts gives the loss, hooks and gradient of PyTorch; other teachers of several inputs, on every road, are tried among the slow tests. */
import { expect, it } from 'vitest';
import { type Teacher, teachers } from '../support/conditioned.js';

it('an image encoder that is told a text', async () => {
  const { pred, target, inputs, hooks, load, expectSame } = teachers.find(({ label }) => label === 'clip') as Teacher;
  await using loss = await load('torchscript');
  const found = await loss.valueAndGrad(pred, target, { inputs });
  expectSame(found.value, found.grad.data as Float32Array);
  for (const hook of found.hooks) expect(hook.loss, hook.path).toBeCloseTo(hooks[hook.path] as number, 5);
});
