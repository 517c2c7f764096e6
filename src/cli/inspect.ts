/** `globalperc inspect`: the modules of a model and what would be hooked. */
import type { Command } from 'commander';
import {
  formatTree,
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  type Model,
  type ModuleCall,
  type ModuleTree,
  moduleTree,
  parametersOf,
} from '../index.js';
import { type AllSteps, addModelOptions, openLoss, parseShape, withProgress } from './common.js';
import type { ModelOptions } from './model-options.js';

interface Options extends ModelOptions {
  readonly input?: string;
  readonly json?: boolean;
}

export function addInspect(program: Command): void {
  addModelOptions(program.command('inspect'))
    .description('show the module tree, the hooks, their shapes (with --input) and weights')
    .argument('<MODEL>', 'ONNX file, or repository on the Hugging Face hub')
    .option('--input <SHAPE>', 'shape of the images, e.g. 1,3,224,224')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(modelPath: string, options: Options): Promise<void> {
  const inspected = await withProgress(async (step) => {
    await using loss = await openLoss(modelPath, options, step);
    const hooked = loss.hooks.map((call, index): InspectedHook => ({ call, index, weight: loss.weights[index] }));
    const shape = options.input === undefined ? undefined : parseShape(options.input);
    const { model, config } = loss;
    // The model's own transform is not applied, and need not be understood, where another is given.
    const preprocessing = config.transformNormalization ? [] : model.preprocessing;
    return { model, preprocessing, hooks: hooked, shapes: shape && (await shapesOf(loss, shape, step)) };
  });
  process.stdout.write(options.json ? asJson(inspected) : asText(inspected));
}

interface Inspected {
  readonly model: Model;
  readonly preprocessing: Model['preprocessing'];
  readonly hooks: readonly InspectedHook[];
  readonly shapes: Shapes;
}

/** A hook of the loss. */
interface InspectedHook {
  readonly call: ModuleCall;
  readonly index: number;
  readonly weight: number | undefined;
}

type Shapes = ReadonlyMap<ModuleCall, readonly number[]> | undefined;

/** Output shapes of every call, the containers' included. */
async function shapesOf({ model, config }: GlobalPercLoss, shape: number[], step: AllSteps): Promise<Shapes> {
  const classes = new Set(model.calls.map((call) => call.class));
  const everything = { modulesToHook: [...classes], dynamicNormalization: false, printData: false };
  await using loss = new GlobalPercLoss(model, new GlobalPercConfig({ ...definedOnly(config), ...everything }));
  const described = await loss.hooksFor(shape, step);
  return new Map(loss.hooks.map((call, i) => [call, described[i]?.shape ?? []]));
}

/** A transform that is left out must be left out, not undefined. */
const definedOnly = ({ transformNormalization }: GlobalPercConfig): GlobalPercOptions =>
  transformNormalization ? { transformNormalization } : {};

function asJson({ model, preprocessing, hooks, shapes }: Inspected): string {
  const described = (call: ModuleCall) => {
    const shape = shapes?.get(call);
    return { path: call.path, class: call.class, call: call.call, ...(shape && { shape }) };
  };
  const json = {
    input: model.accepts,
    inputs: [model.input, ...model.openInputs].map(({ name, dtype, declaredShape }) => ({
      name,
      dtype,
      shape: declaredShape,
    })),
    parameters: parametersOf(model.calls),
    preprocessing,
    warnings: model.warnings,
    modules: model.calls.map((call) => ({
      ...described(call),
      leaf: call.leaf,
      parameters: parametersOf([call]),
      ...(call.folded && { folded: call.folded }),
    })),
    hooks: hooks.map(({ call, index, weight }) => ({ index, ...described(call), weight })),
  };
  return `${JSON.stringify(json)}\n`;
}

function asText({ model, preprocessing, hooks, shapes }: Inspected): string {
  const lines = formatTree(moduleTree(model.calls), (module) => noteOf(module, hooks, shapes));
  const further = model.openInputs.map(({ name, dtype, declaredShape }) => `, ${name} ${dtype} [${declaredShape}]`);
  const total = formatCount(parametersOf(model.calls));
  return [
    `${model.source}: input ${model.accepts}${further.join('')}, ${total} parameters`,
    ...(preprocessing.length > 0 ? [`transform: ${JSON.stringify(preprocessing)}`] : []),
    ...model.warnings.map((warning) => `warning: ${warning}`),
    ...lines,
    `${hooks.length} hooks`,
    '',
  ].join('\n');
}

const formatCount = (count: number): string => count.toLocaleString('en-US');

/** ` → [1, 64, 32, 32], 9,408 parameters  ← hook 3 weight 1.25` behind a module, for each of its calls. */
function noteOf(module: ModuleTree, hooks: readonly InspectedHook[], shapes: Shapes): string {
  const outputs = module.calls.map((call) => shapes?.get(call)).filter((shape) => shape !== undefined);
  const distinct = new Set(outputs.map((shape) => `[${shape.join(', ')}]`));
  const facts = [
    ...distinct,
    ...(module.parameters > 0 ? [`${formatCount(module.parameters)} parameters`] : []),
    ...(module.calls.length > 1 ? [`${module.calls.length} calls`] : []),
  ];
  const notes = hooks
    .filter(({ call }) => call.path === module.path)
    .map(({ index, weight }) => `hook ${index} weight ${Number(weight?.toFixed(4))}`);
  return `${facts.length > 0 ? `  ${facts.join(', ')}` : ''}${notes.length > 0 ? `  ← ${notes.join('; ')}` : ''}`;
}
