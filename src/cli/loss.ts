/** `globalperc loss`: the loss between two images. */
import type { Command } from 'commander';
import { formatNpy, readImage, writeAtomically } from '../data/index.js';
import { GlobalPercError, type HookLoss } from '../index.js';
import { addModelOptions, formatTable, type ModelOptions, openLoss, withProgress } from './common.js';
import { requireOutputFile } from './outputs.js';

interface Options extends ModelOptions {
  readonly grad?: string;
  readonly json?: boolean;
}

export function addLoss(program: Command): void {
  addModelOptions(program.command('loss'))
    .description('loss of PRED against TARGET: PNG, JPEG, WebP (as [0, 1] NCHW) or float32 .npy (NCHW)')
    .argument('<MODEL>', 'ONNX file, or repository on the Hugging Face hub')
    .argument('<PRED>')
    .argument('<TARGET>')
    .option('--grad <OUT.npy>', 'write the gradient with respect to PRED')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(modelPath: string, predPath: string, targetPath: string, options: Options): Promise<void> {
  const { grad: out } = options;
  if (out !== undefined) await requireOutputFile(out, '--grad', ['.npy']);
  const [pred, target] = await Promise.all([readImage(predPath), readImage(targetPath)]);
  const files = { reads: [predPath, targetPath], writes: out === undefined ? [] : [out] };
  const { value, hooks, grad } = await withProgress(async (step) => {
    await using loss = await openLoss(modelPath, options, step, files);
    if (out === undefined) return { ...(await loss.valueAndHooks(pred, target, step)), grad: undefined };
    const result = await loss.valueAndGrad(pred, target, step);
    return { ...result, grad: { dims: result.grad.dims, data: result.grad.data as Float32Array } };
  });
  requireFinite(value, hooks, grad?.data);
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

/** @throws GlobalPercError when the loss or its gradient is NaN or infinite, naming the first hook that is. */
function requireFinite(value: number, hooks: readonly HookLoss[], grad: Float32Array | undefined): void {
  const broken = hooks.find(({ loss }) => !Number.isFinite(loss));
  if (Number.isFinite(value) && broken === undefined) {
    if (grad === undefined || grad.every(Number.isFinite)) return;
    throw new GlobalPercError('the gradient holds NaN or infinity, though the loss is finite; nothing is written', {
      code: 'not-finite',
    });
  }
  const where = broken
    ? `, first at hook ${broken.index} (${broken.path}, ${broken.class}, [${broken.shape.join(', ')}]), which gives ${broken.loss}`
    : '';
  throw new GlobalPercError(
    `the loss is ${value}${where}: lossFunc is not defined for this activation, or the model overflows for these images; ` +
      'try another norm in lossFunc, other hooks, and images in the range that the model expects',
    { code: 'not-finite' },
  );
}
