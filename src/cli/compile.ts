/** `globalperc compile`: loss and gradient as one ONNX file. */
import type { Command } from 'commander';
import { GlobalPercError } from '../index.js';
import { addModelOptions, addWeights, openAnyLoss, parseShape, withProgress } from './common.js';
import type { ModelOptions } from './model-options.js';
import { requireOutputFile } from './outputs.js';

interface Options extends ModelOptions {
  readonly input: string;
  readonly out: string;
  readonly outputs?: string;
  readonly mask?: boolean;
}

export function addCompile(program: Command): void {
  addWeights(addModelOptions(program.command('compile')))
    .description('write loss and gradient for one input shape: inputs pred, target; outputs loss, grad, hook_losses')
    .argument('<MODEL>', 'ONNX file, repository on the Hugging Face hub, or lpips, lpips:vgg, lpips:squeeze, dists')
    .requiredOption('--input <SHAPE>', 'shape of pred and target, e.g. 1,3,504,504')
    .requiredOption('--out <FILE>', 'the ONNX file to write')
    .option('--outputs <NAMES>', 'further outputs: samples, map, or samples,map')
    .option('--mask', 'with an input mask, [B, 1, H, W]')
    .action(run);
}

async function run(modelPath: string, options: Options): Promise<void> {
  const { out } = options;
  const shape = parseShape(options.input);
  const outputs = options.outputs?.split(',').map(parseOutput) ?? [];
  await requireOutputFile(out, '--out', ['.onnx']);
  const written = await withProgress(async (step) => {
    // Weights beyond 2 GB go to a file of their own beside it.
    await using loss = await openAnyLoss(modelPath, options, step, { writes: [out, `${out}.data`] });
    return await loss.compileToFile(out, shape, { ...step, outputs, mask: options.mask ?? false });
  });
  process.stdout.write(`${out}: ${(written / 1e6).toFixed(1)} MB, pred and target [${shape.join(', ')}]\n`);
}

/** @throws GlobalPercError for what is no output of a compiled loss. */
function parseOutput(name: string): 'samples' | 'map' {
  if (name === 'samples' || name === 'map') return name;
  throw new GlobalPercError(`--outputs should be samples, map or samples,map, got '${name}'`, {
    code: 'invalid-option',
  });
}
