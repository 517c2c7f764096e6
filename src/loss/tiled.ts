/** A loss of pictures that are too large for its model: tile by tile. */
import { concat, GlobalPercError, type Shape, type Tensor, type TensorType } from '../graph/index.js';
import { type TensorLike, toFloat32 } from '../model/index.js';
import type { AnyModule } from '../nn/index.js';
import { type Checks, checkOptions, count, integer, required } from '../options/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import {
  type CallOptions,
  type Comparison,
  descriptionOf,
  type Features,
  type LossDescription,
  type Objective,
  type RunContext,
  requireObjective,
  type Scene,
  type Summand,
  sceneWith,
} from './description.js';
import { Around } from './description-around.js';
import { EncodedTarget } from './encoded-target.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import type { LossMap } from './loss-map.js';
import { placeless } from './parts.js';
import { type Computed, compute } from './run.js';
import { cut, paste, requireAlike, type Tile, tilesOf } from './tiles.js';

/** Options of TiledLoss. */
export interface TiledLossOptions extends LossOptions {
  /** Height and width of a tile, in pixels; less where the picture is smaller. */
  readonly tile: number;
  /** Pixels that neighbouring tiles share, at least. Default 0. */
  readonly overlap?: number;
}

const OPTIONS: Checks<TiledLossOptions> = { ...LOSS, tile: required(count), overlap: integer(0) };

/**
 * The mean of a loss over tiles: L = 1/T · Σₜ loss(predictionₜ, targetₜ). All T tiles of a picture are equally large and cover it, evenly spaced; where
 * their size does not divide the picture's they overlap more than `overlap`, and a pixel that lies in several tiles counts in each. Its gradient is exactly
 * that of this formula. A picture no larger than a tile is compared as without.
 *
 * It is not the loss of the whole picture: at the border of a tile a model sees its padding in place of the neighbours, and pooling, attention, normalisation
 * and norms over an activation are those of one tile. With a tile well above the model's receptive field little of that is left.
 *
 * Tiles are taken one after the other by one program, so that memory does not grow with the picture. A Trainer, `encode` and `compile` put all of them into
 * one graph, which is T times as large. There are no masks and no maps; losses of the hooks and of the samples are means over the tiles.
 *
 * @example new nn.TiledLoss(new GlobalPercLoss(teacher, config), { tile: 512, overlap: 64 })
 */
export class TiledLoss extends Loss {
  readonly description: LossDescription;
  private readonly tiled: TiledDescription;

  /** @throws GlobalPercError for what is no loss, without `tile`, and for an overlap that is not smaller than it. */
  constructor(loss: Objective, given: TiledLossOptions) {
    const { tile, overlap = 0, ...options } = checkOptions(given, OPTIONS, 'TiledLoss');
    super(options);
    requireObjective(loss, 'TiledLoss');
    if (overlap >= tile) {
      throw new GlobalPercError(`TiledLoss: overlap should be less than the tile of ${tile} pixels, got ${overlap}`, {
        code: 'invalid-option',
      });
    }
    this.tiled = new TiledDescription(loss, (shape) => tilesOf(shape, tile, overlap));
    this.description = this.tiled;
  }

  /** @throws GlobalPercError always: ask the loss itself for the map of a part of the picture. */
  override async map(): Promise<LossMap> {
    throw new GlobalPercError('TiledLoss has no map: ask the loss itself for that of a part of the picture', {
      code: 'invalid-option',
    });
  }

  /** @internal */
  protected override *computed(
    pred: TensorLike,
    target: TensorLike | EncodedTarget,
    withGradient: boolean,
    options: CallOptions,
  ): Steps<Computed> {
    if (target instanceof EncodedTarget) return yield* super.computed(pred, target, withGradient, options);
    requireNoMask(options);
    const [whole, wanted] = [toFloat32(pred, 'pred'), toFloat32(target, 'target')];
    requireAlike(wanted.dims, whole.dims);
    const tiles = this.tiled.tiles(whole.dims);
    const one = { ...this.runnable, description: this.tiled.inner };
    const results: Computed[] = [];
    const grad = new Float32Array(withGradient ? whole.data.length : 0);
    for (const tile of tiles) {
      const result = yield* compute(one, cut(whole, tile), cut(wanted, tile), withGradient, options);
      if (result.grad) paste({ dims: whole.dims, data: grad }, tile, result.grad.data, 1 / tiles.length);
      // Not the gradient: those of all tiles would be as large as the picture.
      results.push({ ...result, grad: undefined });
    }
    return { ...meanOf(results), grad: withGradient ? { ...whole, data: grad } : undefined };
  }
}

/** Value, losses of hooks and samples as means over tiles. */
function meanOf(results: readonly Computed[]): Computed {
  const [first] = results as [Computed];
  const mean = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each) / numbers.length;
  const means = (rows: readonly (Float32Array | undefined)[]): Float32Array | undefined =>
    rows[0]?.map((_, i) => mean(rows.map((row) => row?.[i] as number)));
  return {
    value: mean(results.map(({ value }) => value)),
    hooks: first.hooks.map((hook, i) => {
      const samples = means(results.map(({ hooks }) => hooks[i]?.samples));
      return { ...hook, loss: mean(results.map(({ hooks }) => hooks[i]?.loss as number)), ...(samples && { samples }) };
    }),
    samples: means(results.map(({ samples }) => samples)),
    grad: undefined,
  };
}

function requireNoMask({ mask }: { readonly mask?: unknown }): void {
  if (mask === undefined) return;
  throw new GlobalPercError('TiledLoss takes no mask: some tiles would hold nothing that counts', {
    code: 'invalid-option',
  });
}

/** All tiles in one graph: what is read is a list, with the features of each tile. */
class TiledDescription extends Around<readonly Scene[]> implements LossDescription<readonly Features[]> {
  /** The tiles of pictures of some shape. */
  readonly tiles: (shape: Shape) => readonly Tile[];
  private readonly loss: Objective;

  constructor(loss: Objective, tiles: (shape: Shape) => readonly Tile[]) {
    super();
    this.loss = loss;
    this.tiles = tiles;
  }

  /** What is computed of one tile. */
  override get inner(): LossDescription {
    return descriptionOf(this.loss);
  }

  override prepare(shape: Shape, context: RunContext): Steps<void> {
    const [{ height, width }] = this.tiles(shape) as [Tile];
    return super.prepare([...shape.slice(0, 2), height, width], context);
  }

  /** The same for all tiles. */
  *owned(scene: Scene): Steps<AnyModule | undefined> {
    const [first] = this.seen(scene) as [Scene];
    return this.inner.owned && (yield* this.inner.owned(first));
  }

  *prediction(scene: Scene): Steps<readonly Features[]> {
    const features: Features[] = [];
    for (const seen of this.seen(scene)) features.push(yield* this.inner.prediction(seen));
    return features;
  }

  *target(scene: Scene): Steps<readonly Features[]> {
    const features: Features[] = [];
    for (const seen of this.seen(scene)) features.push(yield* this.inner.target(seen));
    return features;
  }

  targetType(output: TensorType): TensorType {
    return this.inner.targetType?.(output) ?? output;
  }

  requireTarget(target: HostTensor, output: Shape): void {
    this.inner.requireTarget?.(target, output);
  }

  inspect(name: string, image: HostTensor): void {
    this.inner.inspect?.(name, image);
  }

  compare(prediction: readonly Features[], target: readonly Features[], scene: Scene): Comparison {
    const scenes = this.seen(scene);
    const comparisons = scenes.map((seen, i) =>
      this.inner.compare(prediction[i] as Features, target[i] as Features, seen),
    );
    const [{ hooks, summands, logged = {} }] = comparisons as [Comparison];
    const hookLosses = comparisons.flatMap((each) => each.hookLosses ?? []);
    return {
      loss: meanOver(comparisons.map(({ loss }) => loss.reshape([]))),
      ...(hookLosses.length > 0 && { hookLosses: meanOver(hookLosses) }),
      hooks,
      logged: Object.fromEntries(
        Object.keys(logged).map((name) => [name, meanOver(comparisons.map((each) => each.logged?.[name] as Tensor))]),
      ),
      summands: summands.map(({ weight }, i) => ({
        weight,
        part: placeless(() => {
          const samples = comparisons.map((each) => (each.summands[i] as Summand).part.samples());
          return samples.includes(undefined) ? undefined : meanOver(samples as Tensor[]);
        }),
      })),
    };
  }

  /** A scene for each tile. */
  protected override shown(scene: Scene): readonly Scene[] {
    requireNoMask(scene);
    const { targetShape } = scene;
    return this.tiles(targetShape).map((tile) => {
      const { top, left, height, width } = tile;
      const part = (image: Tensor): Tensor => {
        requireAlike(image.shape, targetShape);
        return image.slice([-2, -1], [top, left], [top + height, left + width]);
      };
      const seen = sceneWith(scene, { output: () => part(scene.output), target: () => part(scene.target) });
      return Object.create(seen, { targetShape: { value: [...targetShape.slice(0, -2), height, width] } }) as Scene;
    });
  }
}

const meanOver = (tensors: readonly Tensor[]): Tensor =>
  concat(
    tensors.map((tensor) => tensor.unsqueeze([0])),
    0,
  ).mean([0]);
