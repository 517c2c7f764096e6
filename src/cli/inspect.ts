/** `globalperc inspect`: the modules of a model and what would be hooked. */
import type { Command } from 'commander';
import { formatTree, type ModuleTree, moduleTree } from '../index.js';
import { openLoss, parseShape, withProgress } from './common.js';

interface Options {
  readonly input?: string;
  readonly hook?: string[];
  readonly config?: string;
  readonly json?: boolean;
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description('show the module tree, the hooks, their shapes (with --input) and weights')
    .argument('<MODEL>', 'ONNX file')
    .option('--input <SHAPE>', 'shape of the images, e.g. 1,3,224,224')
    .option('--hook <SELECTOR>', 'class name or /pattern/ on the path; repeatable', collect)
    .option('--config <FILE>', 'JSON with the keys of GlobalPercConfig')
    .option('--json', 'print one JSON object')
    .action(run);
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

interface InspectedHook {
  readonly index: number;
  readonly path: string;
  readonly class: string;
  readonly call: number;
  readonly weight: number | undefined;
  readonly shape?: readonly number[] | undefined;
}

async function run(modelPath: string, options: Options): Promise<void> {
  const { model, hooks } = await withProgress(async (step) => {
    await using loss = await openLoss(modelPath, { config: options.config, hooks: options.hook }, step);
    const shaped = options.input === undefined ? undefined : await loss.hooksFor(parseShape(options.input), step);
    const inspected = loss.hooks.map(
      ({ path, class: className, call }, index): InspectedHook => ({
        index,
        path,
        class: className,
        call,
        weight: loss.weights[index],
        ...(shaped && { shape: shaped[index]?.shape }),
      }),
    );
    return { model: loss.model, hooks: inspected };
  });
  if (options.json) {
    const modules = model.calls.map(({ path, class: className, call, leaf }) => ({
      path,
      class: className,
      call,
      leaf,
    }));
    process.stdout.write(`${JSON.stringify({ input: model.accepts, modules, hooks })}\n`);
    return;
  }
  const lines = formatTree(moduleTree(model.calls), (module) => noteOf(module, hooks));
  process.stdout.write(`${model.source}: input ${model.accepts}\n${lines.join('\n')}\n${hooks.length} hooks\n`);
}

/** `  ← hook 3 [1, 64, 32, 32] weight 1.25` behind a module, for each of its hooked calls. */
function noteOf(module: ModuleTree, hooks: readonly InspectedHook[]): string {
  const notes = hooks
    .filter(({ path }) => path === module.path)
    .map(
      ({ index, shape, weight }) =>
        `hook ${index}${shape ? ` [${shape.join(', ')}]` : ''} weight ${Number(weight?.toFixed(4))}`,
    );
  return notes.length > 0 ? `  ← ${notes.join('; ')}` : '';
}
