/** The graphs of a loss that runs by itself. */
import { gradient } from '../autodiff/index.js';
import { begin, type Draft } from '../compile/index.js';
import { GlobalPercError, type Graph, type Shape, Tensor, type TensorType } from '../graph/index.js';
import { createGraph } from '../ops/index.js';
import { fuseAttention } from '../passes/index.js';
import type { Steps } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import {
  type Comparison,
  compared,
  type Features,
  type Hook,
  type LossDescription,
  lossIn,
  type Part,
  type RunContext,
  type Scene,
  type Summand,
} from './description.js';
import { openInputName } from './names.js';
import { openTypes } from './open-inputs.js';
import { mapsOf, samplesOf, weightedSum } from './parts.js';

/** What must be known to run a program of a loss. */
export interface LossDetails {
  readonly hooks: readonly Hook[];
  /** The places of the hooks' parts, where maps are made. */
  readonly placed?: readonly HookPlaces[];
}

/** Where a hook compares; without `grid`, nowhere in the image. */
export type HookPlaces = Partial<Pick<Part, 'grid'>> & Pick<Part, 'withoutPlace'>;

/** The target of a program: an image of some shape, or what was read of one before. */
export interface TargetSource {
  readonly shape: Shape;
  readonly features?: readonly TensorType[];
}

/** What a program of a loss is given. */
export interface Given {
  readonly pred: Shape;
  readonly target: TargetSource;
  readonly mask?: Shape;
}

/** What a program of a loss computes beside value and losses of the hooks. */
export type Wanted = 'grad' | 'samples' | 'map' | 'hook_maps';

/** The loss, and what else is wanted. Outputs: `loss`, `hook_losses`; `grad`, `samples` and `hook_samples`, `map`, `hook_maps`. */
export function* draftLoss(
  description: LossDescription,
  given: Given,
  wanted: readonly Wanted[],
  context: RunContext,
): Steps<Draft<LossDetails>> {
  const graph = createGraph();
  const output = graph.input('pred', 'float32', given.pred);
  const comparison = yield* comparisonIn(graph, description, output, given, context);
  graph.output('loss', comparison.loss.reshape([]));
  if (wanted.includes('grad')) {
    begin('differentiate', context.options);
    fuseAttention(graph);
    graph.output('grad', gradient(comparison.loss, [output])[0] as Tensor);
  }
  if (comparison.hookLosses) graph.output('hook_losses', comparison.hookLosses);
  if (wanted.includes('samples')) addSamples(graph, comparison);
  const mapped = wanted.includes('map');
  if (mapped) addMaps(graph, comparison, wanted.includes('hook_maps'));
  const details = { hooks: comparison.hooks, ...(mapped && { placed: placesIn(comparison) }) };
  return { graph, details, gradients: ['grad'] };
}

function* comparisonIn(
  graph: Graph,
  description: LossDescription,
  output: Tensor,
  { target, mask: maskShape }: Given,
  context: RunContext,
): Steps<Comparison> {
  const image = target.features === undefined && { target: graph.input('target', 'float32', target.shape) };
  const mask = maskShape && { mask: graph.input('mask', 'float32', maskShape) };
  if (target.features === undefined) {
    return yield* lossIn(
      description,
      sceneOf(graph, description, { output, ...image, ...mask }, target.shape, context),
    );
  }
  const scene = sceneOf(graph, description, { output, ...mask }, target.shape, context);
  const prediction = yield* description.prediction(scene);
  const features = target.features.map(({ dtype, shape }, i) => graph.input(featureName(i), dtype, shape));
  return compared(description, prediction, arranged(prediction, features.values()), scene);
}

/** Outputs `samples` `[B]` and, with hooks, `hook_samples` `[hooks, B]`, where samples can be told apart. */
export function addSamples(graph: Graph, { summands, hookLosses }: Comparison): void {
  const samples = samplesOf(summands);
  if (samples === undefined) return;
  graph.output('samples', weightedSum(samples, weightsOf(summands), 0).reshape([-1]));
  if (hookLosses) graph.output('hook_samples', samples);
}

/** Outputs `map` `[B, 1, H, W]` and, where asked for, `hook_maps` `[B, hooks with places, H, W]`. */
function addMaps(graph: Graph, { summands }: Comparison, byHook: boolean): void {
  const maps = mapsOf(summands);
  const placed = summands.filter(({ part }) => part.grid !== undefined);
  graph.output('map', weightedSum(maps, weightsOf(placed), 1));
  if (byHook) graph.output('hook_maps', maps);
}

const weightsOf = (summands: readonly Summand[]): number[] => summands.map(({ weight }) => weight);

const placesIn = ({ summands }: Comparison): HookPlaces[] =>
  summands.map(({ part: { grid, withoutPlace } }) => ({ ...(grid && { grid }), withoutPlace }));

/** What is read of the prediction alone. */
export function* predictionFeatures(
  description: LossDescription,
  shape: Shape,
  context: RunContext,
): Steps<readonly Tensor[]> {
  const graph = createGraph();
  const output = graph.input('pred', 'float32', shape);
  return flattened(yield* description.prediction(sceneOf(graph, description, { output }, shape, context)));
}

/** What is read of a target. Outputs: `feature_0`, `feature_1` … */
export function* draftTarget(
  description: LossDescription,
  shape: Shape,
  context: RunContext,
): Steps<Draft<LossDetails>> {
  const graph = createGraph();
  const image = graph.input('target', 'float32', shape);
  const scene = sceneOf(graph, description, { target: image }, shape, context);
  const features = flattened(yield* description.target(scene));
  if (scene.draws.used) {
    throw new GlobalPercError(
      'a loss with RandomCrop or RandomShift cannot encode a target: the place must be the same for both images',
      { code: 'invalid-option' },
    );
  }
  for (const [i, feature] of features.entries()) graph.output(featureName(i), feature);
  return { graph, details: { hooks: [] }, stay: features.map((_, i) => featureName(i)), gradients: [] };
}

const featureName = (index: number): string => `feature_${index}`;

/** The scene of a loss that runs by itself; `images` are those there are. */
function sceneOf(
  graph: Graph,
  description: LossDescription,
  images: { readonly output?: Tensor; readonly target?: Tensor; readonly mask?: Tensor },
  targetShape: Shape,
  context: RunContext,
): Scene {
  const image = (name: 'output' | 'target'): Tensor => {
    const found = images[name];
    if (found) return found;
    throw new GlobalPercError(
      `this loss reads its ${name} where only the other image is there: it cannot be encoded, call it with both images`,
      {
        code: 'invalid-option',
      },
    );
  };
  return {
    ...context,
    ...openInputsOn(graph, description, context),
    get output() {
      return image('output');
    },
    get target() {
      return image('target');
    },
    targetShape,
    draws: new Draws(),
    ...(images.mask && { mask: images.mask }),
  };
}

/** Open inputs as inputs of a graph, declared when they are first asked for. @param shapes of those that neither a call nor a file tells. */
export function openInputsOn(
  graph: Graph,
  { openInputs }: LossDescription,
  { options }: RunContext,
  shapes: Readonly<Record<string, Shape>> = {},
): Pick<Scene, 'openInput'> {
  const types = openTypes(openInputs, options, shapes);
  return {
    openInput: (name) => {
      const own = openInputName(name);
      const known = graph.inputs.find((input) => input.name === own);
      const { dtype, shape } = types.get(name) as TensorType;
      return known ? new Tensor(graph, known) : graph.input(own, dtype, shape);
    },
  };
}

export const flattened = (features: Features): readonly Tensor[] =>
  features instanceof Tensor ? [features] : features.flatMap(flattened);

/** Tensors in the arrangement of some features. */
export function arranged(like: Features, tensors: IterableIterator<Tensor>): Features {
  if (like instanceof Tensor) return tensors.next().value as Tensor;
  return like.map((part) => arranged(part, tensors));
}
