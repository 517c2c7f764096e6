/** `globalperc loss`: the loss between two images. */
import type { Command } from 'commander';
import { formatNpy, type ImageTensor, readImage, writeAtomically } from '../data/index.js';
import type { Loss } from '../index.js';
import { addModelOptions, addWeights, formatTable, openAnyLoss, withProgress } from './common.js';
import { gradientPicture } from './gradient-picture.js';
import { inRange, rangeOf, readMask } from './images.js';
import type { ModelOptions } from './model-options.js';
import { requireOutputFile } from './outputs.js';

interface Options extends ModelOptions {
  readonly grad?: string;
  readonly mask?: string;
  readonly json?: boolean;
}

export function addLoss(program: Command): void {
  addWeights(addModelOptions(program.command('loss')))
    .description('loss of PRED against TARGET: PNG, JPEG, WebP (as [0, 1] NCHW) or float32 .npy (NCHW)')
    .argument('<MODEL>', 'ONNX file, repository on the Hugging Face hub, or lpips, lpips:vgg, lpips:squeeze, dists')
    .argument('<PRED>')
    .argument('<TARGET>')
    .option('--grad <FILE>', 'write the gradient with respect to PRED: .npy, or .png for a picture of it')
    .option('--mask <FILE>', 'where to look: a picture, white where it counts, or .npy of weights in [0, 1]')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(modelPath: string, predPath: string, targetPath: string, options: Options): Promise<void> {
  const { grad: out, mask: maskPath } = options;
  if (out !== undefined) await requireOutputFile(out, '--grad', ['.npy', '.png']);
  const images = await Promise.all([readImage(predPath), readImage(targetPath)]);
  const mask = maskPath === undefined ? {} : { mask: await readMask(maskPath) };
  const reads = [predPath, targetPath, ...(maskPath === undefined ? [] : [maskPath])];
  const files = { reads, writes: out === undefined ? [] : [out] };
  const { grad, ...values } = await withProgress(async (step) => {
    await using loss = await openAnyLoss(modelPath, options, step, files);
    const range = rangeOf(loss);
    const [pred, target] = [inRange(predPath, images[0], range), inRange(targetPath, images[1], range)];
    const given = { ...step, ...mask };
    if (out === undefined) return { ...(await loss.valueAndHooks(pred, target, given)), grad: undefined };
    const result = await loss.valueAndGrad(pred, target, given);
    return { ...result, grad: { dims: result.grad.dims, data: result.grad.data as Float32Array } };
  });
  const drawn = grad && out ? await writeGradient(out, grad) : '';
  process.stdout.write(options.json ? asJson(values) : `${asText(values)}${drawn}`);
}

/** Writes it as an array or a picture, and says what the picture's colours are. */
async function writeGradient(path: string, grad: ImageTensor): Promise<string> {
  if (path.endsWith('.npy')) {
    await writeAtomically(path, formatNpy(grad));
    return '';
  }
  const { png, most } = await gradientPicture(grad);
  await writeAtomically(path, png);
  const end = most.toExponential(2);
  return `${path}: the gradient summed over channels, from -${end} (blue) over 0 (white) to ${end} (red), which one pixel in a hundred exceeds\n`;
}

type Values = Awaited<ReturnType<Loss['valueAndHooks']>>;

function asJson({ value, hooks, samples }: Values): string {
  const described = hooks.map(({ samples: alone, ...hook }) => ({
    ...hook,
    ...(alone && { samples: Array.from(alone) }),
  }));
  return `${JSON.stringify({ loss: value, ...(samples && { samples: Array.from(samples) }), hooks: described })}\n`;
}

function asText({ value, hooks, samples = new Float32Array() }: Values): string {
  const rows = hooks.map((hook) => [
    String(hook.index),
    hook.path,
    hook.class,
    `[${hook.shape.join(', ')}]`,
    hook.weight.toFixed(4),
    hook.loss.toExponential(4),
  ]);
  const alone =
    samples.length > 1 ? `of each sample ${Array.from(samples, (sample) => sample.toPrecision(6)).join(', ')}\n` : '';
  return `${formatTable(['#', 'module', 'class', 'shape', 'weight', 'loss'], rows)}\nloss ${value}\n${alone}`;
}
