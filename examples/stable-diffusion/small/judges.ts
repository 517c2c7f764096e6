/** How good pictures are, and what a U-Net makes of pictures that it has not seen. */
import { existsSync } from 'node:fs';
import { Generator, GlobalPercConfig, GlobalPercLoss, LPIPS, loadModel } from 'globalperc';
import type { ImageTensor } from 'globalperc/data';
import { gmsd, psnr } from '../../../dist/cli/measures.js';
import { Angle } from '../../latent-head/setting.ts';
import type { Drawing } from './drawing.ts';
import { HOOKS } from './teacher.ts';
import { stacked } from './training.ts';

/** Measures by name. */
export type Figures = Readonly<Record<string, number>>;

/** VGG16 as `study/make_inputs.py` writes it. */
const VGG16 = new URL('../../../study/data/vgg16.onnx', import.meta.url).pathname;

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Judges pictures by photographs. AlexNet is in what is trained; VGG16, which judges where its weights are, is not. */
export class Judges {
  private readonly networks: readonly (readonly [string, LPIPS])[] = [
    ['LPIPS alex', new LPIPS()],
    ...(existsSync(VGG16) ? [['LPIPS vgg', new LPIPS({ net: 'vgg', weights: VGG16 })] as const] : []),
  ];

  async figures(pictures: readonly ImageTensor[], photographs: readonly ImageTensor[]): Promise<Figures> {
    const pair = <T>(of: (a: ImageTensor, b: ImageTensor) => T): T[] =>
      pictures.map((picture, i) => of(picture, photographs[i] as ImageTensor));
    const found: Record<string, number> = { PSNR: average(pair(psnr)), GMSD: average(pair(gmsd)) };
    for (const [name, loss] of this.networks)
      found[name] = await loss.evaluate(stacked(pictures), stacked(photographs));
    return found;
  }

  /** How far pictures are from the nearest of some photographs, by the last of the networks. */
  async nearest(pictures: readonly ImageTensor[], photographs: readonly ImageTensor[]): Promise<number> {
    const [, loss] = this.networks.at(-1) as readonly [string, LPIPS];
    const least: number[] = [];
    for (const picture of pictures) {
      const distances: number[] = [];
      for (const photograph of photographs)
        distances.push(await loss.evaluate(stacked([picture]), stacked([photograph])));
      least.push(Math.min(...distances));
    }
    return average(least);
  }

  async dispose(): Promise<void> {
    for (const [, loss] of this.networks) await loss.dispose();
  }
}

const TIMESTEPS = [100, 300, 500, 700, 900];
/** Up to here, clean latents are told from noisy ones. */
const CLEAN = 500;

/** What is asked of a U-Net, of pictures that it has not seen. */
export interface Question {
  readonly teacher: string;
  readonly caption: string;
  readonly heldOut: readonly ImageTensor[];
}

/**
 * The mean squared error of the prediction over all timesteps, and for the clean latents that it points at up to the middle one
 * their cosine to the true ones for the latent teacher, and the figures of what is decoded of them.
 */
export async function heldOutFigures(
  drawing: Drawing,
  judges: Judges,
  { teacher, caption, heldOut }: Question,
): Promise<Figures> {
  await using angle = await angleOf(teacher);
  const latents = await drawing.latents(heldOut);
  const text = await drawing.text(heldOut.map(() => caption));
  const { noise } = drawing;
  const errors: number[] = [];
  const found: Figures[] = [];
  for (const timestep of TIMESTEPS) {
    const draws = new Generator(timestep);
    const drawn = { dims: latents.dims, data: Float32Array.from(latents.data as Float32Array, () => draws.normal()) };
    const times = heldOut.map(() => timestep);
    const noisy = noise.addNoise(latents, drawn, times);
    const output = await drawing.predict(noisy, timestep, text);
    const wanted = noise.getVelocity(latents, drawn, times).data;
    errors.push(average(Array.from(output.data as Float32Array, (value, i) => (value - (wanted[i] as number)) ** 2)));
    if (timestep > CLEAN) continue;
    const clean = noise.predictOriginal(output, noisy, times);
    const cosine = 1 - (await angle.evaluate(clean, latents)) / HOOKED;
    found.push({ cosine, ...(await judges.figures(await drawing.pictures(clean), heldOut)) });
  }
  const names = Object.keys(found[0] ?? {});
  const means = names.map((name) => [name, average(found.map((figures) => figures[name] as number))] as const);
  return { 'noise loss': average(errors), ...Object.fromEntries(means) };
}

/** The sum over hooks of 1 − cos between the latent teacher's features. */
async function angleOf(teacher: string): Promise<GlobalPercLoss> {
  const weights = { startWeight: 1, endWeight: 1, printData: false };
  const config = new GlobalPercConfig({ ...weights, modulesToHook: [new RegExp(HOOKS)], lossFunc: new Angle() });
  return new GlobalPercLoss(await loadModel(teacher), config);
}

/** How many modules `HOOKS` names. */
const HOOKED = 5;
