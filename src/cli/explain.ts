/** `globalperc explain`: what a loss sees between two images, and where. */
import type { Command } from 'commander';
import { type ImageTensor, readImage, writeAtomically } from '../data/index.js';
import { GlobalPercError, type LossMap } from '../index.js';
import { addModelOptions, addWeights, formatTable, openAnyLoss, withProgress } from './common.js';
import { asHtml, asPng, contribution, type Explained } from './explain-page.js';
import { inRange, rangeOf } from './images.js';
import type { ModelOptions } from './model-options.js';
import { requireOutputFile } from './outputs.js';

interface Options extends ModelOptions {
  readonly out: string;
  readonly json?: boolean;
}

export function addExplain(program: Command): void {
  addWeights(addModelOptions(program.command('explain')))
    .description('show where PRED differs from TARGET for a loss, and what each hook contributes')
    .argument('<MODEL>', 'ONNX file, repository on the Hugging Face hub, or lpips, lpips:vgg, lpips:squeeze')
    .argument('<PRED>')
    .argument('<TARGET>')
    .requiredOption('--out <FILE>', '.png, or .html with a table of all hooks')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(modelPath: string, predPath: string, targetPath: string, options: Options): Promise<void> {
  const { out } = options;
  await requireOutputFile(out, '--out', ['.png', '.html']);
  const images = await Promise.all([readImage(predPath), readImage(targetPath)]);
  for (const [i, path] of [predPath, targetPath].entries()) requireOnePicture(path, images[i] as ImageTensor);
  const { map, range } = await withProgress(async (step) => {
    await using loss = await openAnyLoss(modelPath, options, step, { reads: [predPath, targetPath], writes: [out] });
    const given = [inRange(predPath, images[0], rangeOf(loss)), inRange(targetPath, images[1], rangeOf(loss))] as const;
    return { map: await loss.map(...given, { ...step, hooks: true }), range: rangeOf(loss) };
  });
  const shown = (path: string, { dims, data }: ImageTensor): ImageTensor => {
    const [low, high] = path.endsWith('.npy') ? range : [0, 1];
    return { dims: dims.slice(1), data: data.map((value) => (value - low) / (high - low)) };
  };
  const explained: Explained = {
    model: modelPath,
    pred: { name: predPath, image: shown(predPath, images[0]) },
    target: { name: targetPath, image: shown(targetPath, images[1]) },
    map,
  };
  await writeAtomically(out, out.endsWith('.png') ? await asPng(explained) : await asHtml(explained));
  process.stdout.write(options.json ? asJson(map, out) : asText(map, out));
}

/** @throws GlobalPercError for an array that holds anything else. */
function requireOnePicture(path: string, { dims }: ImageTensor): void {
  if (dims.length === 4 && dims[0] === 1 && (dims[1] === 1 || dims[1] === 3)) return;
  throw new GlobalPercError(`${path}: one image [1, 3, H, W] or [1, 1, H, W] can be shown, got [${dims}]`, {
    code: 'invalid-argument',
  });
}

function asJson({ value, hooks }: LossMap, out: string): string {
  const described = hooks.map(({ map, samples, ...hook }) => ({ ...hook, contribution: contribution(hook) }));
  return `${JSON.stringify({ out, loss: value, hooks: described })}\n`;
}

function asText({ value, hooks }: LossMap, out: string): string {
  const most = hooks.toSorted((a, b) => contribution(b) - contribution(a)).slice(0, 3);
  const rows = most.map((hook) => [
    String(hook.index),
    hook.path || '-',
    hook.class,
    contribution(hook).toPrecision(4),
    `${((100 * contribution(hook)) / value).toFixed(1)} %`,
  ]);
  const table = hooks.length > 0 ? `${formatTable(['#', 'module', 'class', 'weight · loss', 'share'], rows)}\n` : '';
  const blind = hooks.filter(({ grid }) => grid === undefined).length;
  const left = blind > 0 ? `${blind} of ${hooks.length} hooks have no place in the image and are not in the map\n` : '';
  return `${table}loss ${value}\n${left}See ${out}\n`;
}
