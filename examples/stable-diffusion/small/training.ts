/** What the stages have in common: a stage that is done is not done again, and one that was broken off goes on at its last checkpoint. */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Generator, type nn, type StepResult, type TensorLike, type Trainer } from 'globalperc';
import { formatSafetensors, type ImageTensor, readStateDict, writeAtomically } from 'globalperc/data';

/** Where stages read and write. */
export interface Places {
  /** A pipeline of diffusers. */
  readonly pipeline: string;
  /** AlexNet that reads latents, an ONNX file. */
  readonly teacher: string;
  /** Checkpoints, latents. */
  readonly work: string;
}

/** How a stage is trained. */
interface Training {
  /** What it is called in what is printed. */
  readonly name: string;
  readonly folder: string;
  readonly steps: number;
  /** A step; the draws are those of its number. */
  readonly step: (draws: Generator) => Promise<StepResult>;
}

const CHECKPOINTS = 4;

/** Trains to the end, from the last checkpoint of `folder` where there is one. */
export async function train(trainer: Trainer, { name, folder, steps, step }: Training): Promise<void> {
  const checkpoints = join(folder, `${name}-checkpoints`);
  if (existsSync(checkpoints)) await trainer.load(checkpoints);
  const every = Math.ceil(steps / CHECKPOINTS);
  let [sum, count] = [0, 0];
  while (trainer.steps < steps) {
    const { step: done, loss } = await step(new Generator(1, trainer.steps));
    sum += loss;
    count += 1;
    if (done % every > 0 && done < steps) continue;
    await trainer.save(checkpoints);
    console.log(`${name}: step ${done} of ${steps}, loss ${(sum / count).toFixed(4)}`);
    [sum, count] = [0, 0];
  }
}

/** Removes what `train` kept, once what came of it is written. */
export const forget = (name: string, folder: string): Promise<void> =>
  rm(join(folder, `${name}-checkpoints`), { recursive: true, force: true });

/** Images behind each other: `[N, …]`. */
export function stacked(images: readonly TensorLike[]): { dims: number[]; data: Float32Array } {
  const [first] = images;
  const size = first?.data.length ?? 0;
  const data = new Float32Array(images.length * size);
  for (const [i, image] of images.entries()) data.set(image.data as Float32Array, i * size);
  return { dims: [images.length, ...(first?.dims ?? [])], data };
}

/** The images of a batch. */
export function unstacked({ dims: [count = 0, ...dims], data }: TensorLike): ImageTensor[] {
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => ({
    dims,
    data: (data as Float32Array).slice(i * size, (i + 1) * size),
  }));
}

/** So many of a list, drawn. */
export const drawn = <T>(items: readonly T[], count: number, draws: Generator): T[] =>
  Array.from({ length: count }, () => items[draws.integer(items.length)] as T);

/** Writes a part of a pipeline as diffusers does: its configuration, and its weights. */
export async function writePart(
  folder: string,
  config: object,
  module: nn.AnyModule,
  weights = 'diffusion_pytorch_model',
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeAtomically(join(folder, `${weights}.safetensors`), formatSafetensors(module.stateDict()));
  await writeJson(join(folder, 'config.json'), config);
}

export async function writeJson(file: string, content: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Tensors of a file, made and kept there when there is none. */
export async function kept(
  file: string,
  make: () => Promise<Readonly<Record<string, TensorLike>>>,
): Promise<Readonly<Record<string, TensorLike>>> {
  if (existsSync(file)) return (await readStateDict(file)) as Record<string, TensorLike>;
  const made = await make();
  const tensors = Object.entries(made).map(
    ([name, { dims, data }]) => [name, { dtype: 'float32', dims, data: data as Float32Array }] as const,
  );
  await mkdir(dirname(file), { recursive: true });
  await writeAtomically(file, formatSafetensors(Object.fromEntries(tensors)));
  return made;
}
