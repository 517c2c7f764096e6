/** The last stages: figures and pictures, and the file that shows them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContactSheet, contactSheet, type ImageTensor } from 'globalperc/data';
import sharp from 'sharp';
import { Drawing } from './drawing.ts';
import { type Figures, heldOutFigures, Judges } from './judges.ts';
import { cats, NEW_CAPTION, SUBJECTS, views } from './photographs.ts';
import { type Places, writeJson } from './training.ts';

/** Adapters that are compared: the same steps, pictures and draws of a seed. */
export const VARIANTS = [
  { name: 'noise', title: 'noise loss', isPerceptual: false },
  { name: 'perceptual', title: 'noise loss + latent teacher', isPerceptual: true },
];

export const SEEDS = [0, 1];

const NONE = 'no adapters';
/** Latents a side. */
const LATENT_SIDE = 16;

interface Found {
  readonly autoencoder: Readonly<Record<string, Figures>>;
  /** By variant, a set for each seed. */
  readonly adapters: Readonly<Record<string, readonly Figures[]>>;
}

/** Writes a contact sheet as a small JPEG. */
async function writeSheet(file: string, sheet: ContactSheet): Promise<void> {
  await writeFile(
    file,
    await sharp(await contactSheet({ ...sheet, scale: 2 }))
      .resize({ width: 760 })
      .jpeg({ quality: 82, mozjpeg: true })
      .toBuffer(),
  );
}

/** Writes pictures and figures. */
export async function judge(out: string, places: Places): Promise<void> {
  await mkdir(join(out, 'result'), { recursive: true });
  const judges = new Judges();
  const autoencoder = await base(out, places, judges);
  const adapters = await compared(out, places, judges);
  await judges.dispose();
  await writeJson(join(places.work, 'figures.json'), { autoencoder, adapters } satisfies Found);
}

/** What the autoencoder makes of photographs – a view of each that it knows, and the held-out ones –, and what the U-Net draws of captions. */
async function base(out: string, { pipeline }: Places, judges: Judges): Promise<Found['autoencoder']> {
  await using drawing = await Drawing.open(pipeline);
  const { heldOut } = await cats();
  const known = (await views(1, 1000)).map(({ image }) => image);
  const decoded = async (images: readonly ImageTensor[]) => drawing.pictures(await drawing.latents(images));
  const [first, second] = [await decoded(known), await decoded(heldOut)];
  const rows = [
    { label: 'photograph', images: known },
    { label: 'decoded', images: first },
    { label: 'held out', images: heldOut },
    { label: 'decoded', images: second },
  ];
  await writeSheet(join(out, 'result', 'reconstructions.jpg'), { columns: known.map((_, i) => `${i + 1}`), rows });
  const captions = SUBJECTS.map(({ caption }) => caption);
  const seeds = [0, 1, 2, 3];
  const drawn: ImageTensor[][] = [];
  for (const seed of seeds) drawn.push(await drawing.samples(captions, LATENT_SIDE, seed));
  await writeSheet(join(out, 'result', 'samples.jpg'), {
    columns: ['photograph', ...seeds.map((seed) => `seed ${seed}`)],
    rows: captions.map((label, i) => ({ label, images: [known, ...drawn].map((images) => images[i] as ImageTensor) })),
  });
  return {
    'photographs it was trained on': await judges.figures(first, known),
    'the cat, held out': await judges.figures(second, heldOut),
  };
}

/** The U-Net without adapters, and with those of each variant and seed. */
async function compared(out: string, { pipeline, teacher }: Places, judges: Judges): Promise<Found['adapters']> {
  const { heldOut } = await cats();
  const rows: { label: string; images: readonly ImageTensor[] }[] = [{ label: 'held out', images: heldOut }];
  const adapters: Record<string, Figures[]> = {};
  const all = VARIANTS.flatMap(({ name, title }) =>
    SEEDS.map((seed) => ({
      name,
      title,
      seed,
      lora: join(out, 'lora', `${name}-${seed}`, 'pytorch_lora_weights.safetensors'),
    })),
  );
  for (const { name, title, seed, lora } of [{ name: 'none', title: NONE, seed: SEEDS[0], lora: undefined }, ...all]) {
    await using drawing = await Drawing.open(pipeline, lora);
    const figures = await heldOutFigures(drawing, judges, { teacher, caption: NEW_CAPTION, heldOut });
    const samples = await drawing.samples(
      heldOut.map(() => NEW_CAPTION),
      LATENT_SIDE,
      0,
    );
    const nearest = await judges.nearest(samples, heldOut);
    adapters[name] = [...(adapters[name] ?? []), { ...figures, nearest }];
    if (seed === SEEDS[0]) rows.push({ label: title, images: samples });
  }
  await writeSheet(join(out, 'result', 'adapters.jpg'), { columns: heldOut.map((_, i) => `${i + 1}`), rows });
  return adapters;
}

const DIGITS: Readonly<Record<string, number>> = { PSNR: 2 };

/** Mean, and deviation over several. */
function shown(values: readonly number[], digits: number): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return mean.toFixed(digits);
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
}

/** A table of figures, a row for each name. */
function table(rows: Readonly<Record<string, readonly Figures[]>>): string {
  const columns = Object.keys(Object.values(rows)[0]?.[0] ?? {});
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const body = Object.entries(rows).map(([name, sets]) =>
    line([
      name,
      ...columns.map((column) =>
        shown(
          sets.map((figures) => figures[column] as number),
          DIGITS[column] ?? 4,
        ),
      ),
    ]),
  );
  return [line(['', ...columns]), line(['---', ...columns.map(() => '--:')]), ...body].join('\n');
}

const FINDINGS = new URL('findings.md', import.meta.url).pathname;

/** Writes RESULT.md. @param part of all steps, as it was told. */
export async function report(out: string, { work }: Places, part: string): Promise<void> {
  const { autoencoder, adapters } = JSON.parse(await readFile(join(work, 'figures.json'), 'utf8')) as Found;
  const seconds = JSON.parse(await readFile(join(work, 'seconds.json'), 'utf8')) as Record<string, number>;
  const titles: Record<string, string> = {
    none: NONE,
    ...Object.fromEntries(VARIANTS.map(({ name, title }) => [name, title])),
  };
  const named = Object.fromEntries(Object.entries(adapters).map(([name, sets]) => [titles[name], sets] as const));
  const single = Object.fromEntries(Object.entries(autoencoder).map(([name, figures]) => [name, [figures]] as const));
  const text = `${await readFile(FINDINGS, 'utf8')}
## The autoencoder

${table(single)}

![Photographs and what is decoded of their latents](result/reconstructions.jpg)

## The U-Net

Samples of the captions that it has learned: DPM++ 2M, 25 steps, guidance 3.

![A row for each caption: the photograph, and samples of four seeds](result/samples.jpg)

## Adapters for the cat

Figures on the pictures held out, means and deviations over seeds; cosine, PSNR, GMSD and LPIPS of the clean latents that the U-Net points at, as pictures, at timesteps 100, 300 and 500. \`nearest\`: LPIPS from a sample to the
nearest of the pictures held out.

${table(named)}

![Samples of "${NEW_CAPTION}"](result/adapters.jpg)

Written by \`node examples/stable-diffusion/small.ts run ${part}\`. CPU seconds: ${Object.entries(seconds)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}.
`;
  await writeFile(join(out, 'RESULT.md'), text);
}
