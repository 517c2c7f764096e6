/** The decoder's own features as a teacher against PyTorch. See `fixtures/make_decoder_features.py`. */
import { expect, it } from 'vitest';
import { LatentDecoder, PipelineFolder } from '../../src/diffusion/index.js';
import { GlobalPercConfig, GlobalPercLoss, MSELoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';
import { toOnnx } from '../../src/train/index.js';
import { data } from '../support/denoising.js';
import { expectClose } from '../support/run.js';
import { hostOf, readFixture } from '../support/safetensors.js';

it('are what PyTorch hooks, and so is their gradient', async () => {
  const fixture = readFixture('diffusion/decoder.safetensors');
  const [pred, target, losses, gradient] = ['pred', 'target', 'losses', 'gradient'].map((key) =>
    hostOf(fixture.tensor(key)),
  ) as [ReturnType<typeof hostOf>, ReturnType<typeof hostOf>, ReturnType<typeof hostOf>, ReturnType<typeof hostOf>];
  const vae = await (await PipelineFolder.open(`${data}/pipeline`)).vae();
  const teacher = await loadModel(await toOnnx(new LatentDecoder(vae), { input: pred.dims }));
  const options = { modulesToHook: LatentDecoder.FEATURES, lossFunc: new MSELoss(), startWeight: 1, endWeight: 1 };
  const loss = new GlobalPercLoss(teacher, new GlobalPercConfig({ ...options, printData: false }));
  expect(loss.hooks.map(({ path }) => path)).toEqual(fixture.about('paths'));
  const { value, grad, hooks } = await loss.valueAndGrad(pred, target);
  expectClose(
    hooks.map((hook) => hook.loss),
    Array.from(losses.data),
    1e-5,
    'losses',
  );
  // The sum of all, whatever the weights share out.
  const share = value / losses.data.reduce((a, b) => a + b, 0);
  expectClose(
    Array.from(grad.data, (element) => element / share),
    Array.from(gradient.data),
    1e-5,
    'gradient',
  );
  await loss.dispose();
});
