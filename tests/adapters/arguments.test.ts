/** What the adapters are given in the place of a loss, a model or a function: they say so themselves. */
import '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { jaxLoss, valueAndGradWith } from '../../src/adapters/jax/index.js';
import { fromLayersModel, tfLoss, tfStep } from '../../src/adapters/tfjs/index.js';
import { nn } from '../../src/index.js';
import { expectRefusals } from '../support/wrong-arguments.js';

it.each(Object.entries({ jaxLoss, valueAndGradWith, fromLayersModel, tfLoss, tfStep }))('%s', async (_name, call) => {
  await expectRefusals(call as (...given: readonly unknown[]) => unknown);
});

it.each([
  [
    'tfStep',
    (...given: readonly unknown[]) => tfStep(new nn.L1Loss())(...(given as Parameters<ReturnType<typeof tfStep>>)),
  ],
  [
    'jaxLoss',
    (...given: readonly unknown[]) => jaxLoss(new nn.L1Loss())(...(given as Parameters<ReturnType<typeof jaxLoss>>)),
  ],
  [
    'tfLoss',
    async (...given: readonly unknown[]) => {
      const loss = await tfLoss(new nn.L1Loss());
      return loss(...(given as Parameters<typeof loss>));
    },
  ],
] as const)('what %s makes', async (_name, call) => {
  await expectRefusals(call);
});

it('an option that is misspelt', async () => {
  await expect(fromLayersModel({} as never, { inputs: [1, 3, 8, 8] } as never)).rejects.toThrow(
    "fromLayersModel: 'inputs' is not known; did you mean 'input'?",
  );
});
