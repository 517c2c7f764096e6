/** The second stage: AlexNet with a head that reads the autoencoder's latents, trained as in `examples/latent-head`. */
import { exportOnnx, nn, optim, Trainer } from 'globalperc';
import { Computation, encoded, PipelineFolder } from 'globalperc/diffusion';
import { alexnet } from '../../latent-head/setting.ts';
import { ALEXNET, pictures } from './autoencoder.ts';
import { drawn, forget, type Places, stacked, train, unstacked } from './training.ts';

const BATCH = 4;

/** AlexNet's own activations, behind the head. */
export const HOOKS = '^features\\.(1|4|7|9|11)$';

/** Writes the teacher as an ONNX file. */
export async function latentTeacher({ pipeline, teacher, work }: Places, steps: number): Promise<void> {
  nn.manualSeed(2);
  const vae = await (await PipelineFolder.open(pipeline)).vae();
  const images = await pictures();
  await using encode = new Computation(encoded(vae));
  const latents = unstacked(await encode.run(stacked(images)));
  const [shape, { dims }] = [[BATCH, ...(latents[0]?.dims ?? [])], stacked(images.slice(0, BATCH))];
  const { student, loss } = await alexnet(ALEXNET);
  const schedule = new optim.lrScheduler.CosineAnnealingLR({ tMax: steps });
  const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 2e-3, schedule }), {
    batch: shape,
    target: { dtype: 'float32', shape: dims },
    clipGradNorm: 1,
  });
  await train(trainer, {
    name: 'teacher',
    folder: work,
    steps,
    step: (draws) => {
      const chosen = drawn([...images.keys()], BATCH, draws);
      const of = <T>(items: readonly T[]): T[] => chosen.map((i) => items[i] as T);
      return trainer.step(stacked(of(latents)), stacked(of(images)));
    },
  });
  await trainer.dispose();
  await loss.dispose();
  await exportOnnx(student, teacher, { input: [1, ...shape.slice(1)] });
  await forget('teacher', work);
}
