/** `globalperc loss`: the loss between two images. */
import type { Command } from 'commander';
import { formatNpy, type ImageTensor, readImage, writeAtomically } from '../data/index.js';
import { GlobalPercLoss, type InputRange } from '../index.js';
import { addModelOptions, addWeights, formatTable, openAnyLoss, withProgress } from './common.js';
import type { ModelOptions } from './model-options.js';
import { requireOutputFile } from './outputs.js';

interface Options extends ModelOptions {
  readonly grad?: string;
  readonly json?: boolean;
}

export function addLoss(program: Command): void {
  addWeights(addModelOptions(program.command('loss')))
    .description('loss of PRED against TARGET: PNG, JPEG, WebP (as [0, 1] NCHW) or float32 .npy (NCHW)')
    .argument('<MODEL>', 'ONNX file, repository on the Hugging Face hub, or lpips, lpips:vgg, lpips:squeeze, dists')
    .argument('<PRED>')
    .argument('<TARGET>')
    .option('--grad <OUT.npy>', 'write the gradient with respect to PRED')
    .option('--json', 'print one JSON object')
    .action(run);
}

/** What was read: pictures, which are in [0, 1], in the range that arrays have. */
function inRange(path: string, { dims, data }: ImageTensor, [low, high]: InputRange = [0, 1]): ImageTensor {
  if (path.endsWith('.npy')) return { dims, data };
  return { dims, data: data.map((value) => low + value * (high - low)) };
}

async function run(modelPath: string, predPath: string, targetPath: string, options: Options): Promise<void> {
  const { grad: out } = options;
  if (out !== undefined) await requireOutputFile(out, '--grad', ['.npy']);
  const images = await Promise.all([readImage(predPath), readImage(targetPath)]);
  const files = { reads: [predPath, targetPath], writes: out === undefined ? [] : [out] };
  const { value, hooks, grad } = await withProgress(async (step) => {
    await using loss = await openAnyLoss(modelPath, options, step, files);
    const inputRange = loss instanceof GlobalPercLoss ? loss.config.inputRange : undefined;
    const [pred, target] = [inRange(predPath, images[0], inputRange), inRange(targetPath, images[1], inputRange)];
    if (out === undefined) return { ...(await loss.valueAndHooks(pred, target, step)), grad: undefined };
    const result = await loss.valueAndGrad(pred, target, step);
    return { ...result, grad: { dims: result.grad.dims, data: result.grad.data as Float32Array } };
  });
  if (grad && out) await writeAtomically(out, formatNpy(grad));
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ loss: value, hooks })}\n`);
    return;
  }
  const rows = hooks.map((hook) => [
    String(hook.index),
    hook.path,
    hook.class,
    `[${hook.shape.join(', ')}]`,
    hook.weight.toFixed(4),
    hook.loss.toExponential(4),
  ]);
  process.stdout.write(`${formatTable(['#', 'module', 'class', 'shape', 'weight', 'loss'], rows)}\nloss ${value}\n`);
}
