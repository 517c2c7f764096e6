/** Architectures as people know them: the modules that PyTorch's forward hooks see, and the original's loss and gradient. */
import { expect, it } from 'vitest';
import { numbersOf } from '../../src/graph/index.js';
import { matrixFixture, matrixLoss, matrixNames, tensorOf } from '../support/matrix.js';
import { relativeError } from '../support/run.js';

it.each(matrixNames)('%s', async (name) => {
  const { cases, tensor } = matrixFixture(name);
  for (const test of cases) {
    const { name: kind, inputs, loss: expected, hooks } = test;
    await using loss = await matrixLoss(name, test);
    const result = await loss.valueAndGrad(tensorOf(tensor(inputs.pred)), tensorOf(tensor(inputs.target)));
    expect(result.hooks.map(({ path, shape }) => [path, shape])).toEqual(hooks.map(({ path, shape }) => [path, shape]));
    if (name.endsWith('dynamo'))
      expect(result.hooks.map((hook) => hook.class)).toEqual(hooks.map((hook) => hook.class));
    expect(Math.abs(result.value / expected - 1), `${kind}: loss ${result.value}, PyTorch's ${expected}`).toBeLessThan(
      1e-3,
    );
    const error = relativeError(result.grad.data as Float32Array, numbersOf(tensor(test.grad)));
    expect(error, `${kind}: gradient`).toBeLessThan(1e-3);
  }
});
