/** A frozen pretrained model as a discriminator: heads on its hooks tell real images from made ones. */
import { GlobalPercError, type Shape, sameShape, type Tensor, type TensorType } from '../graph/index.js';
import {
  BCEWithLogitsLoss,
  type CallOptions,
  type Comparison,
  GlobalPercConfig,
  LOSS,
  Loss,
  type LossDescription,
  type LossOptions,
  type Part,
  type PerceptualDescription,
  perceptual,
  placeless,
  predictionFeatures,
  type Scene,
  sitesOf,
  weightedHooks,
} from '../loss/index.js';
import type { Model } from '../model/index.js';
import type { ModuleCall } from '../modules/index.js';
import { ModuleList } from '../nn/public.js';
import { type Checks, checkOptions, oneOf, shape as shapeCheck } from '../options/index.js';
import type { HostTensor, SessionOptions, Steps } from '../runtime/index.js';
import { HEADS, type Head, type HeadKind } from './heads.js';

/** Options of `GlobalPercLossDiscriminator`. */
export interface DiscriminatorOptions extends LossOptions {
  /** `attention`, the original's (default): self-attention over the channels; `conv`, light convolutions with spectral norm. */
  readonly heads?: HeadKind;
}

const OPTIONS: Checks<DiscriminatorOptions> = { ...LOSS, heads: oneOf(...(Object.keys(HEADS) as HeadKind[])) };
const SHAPE = shapeCheck('[8, 3, 128, 128]');

/**
 * A discriminator that sees images through a frozen teacher: each hook has a head of its own, which makes logits of its
 * activation. As a loss it is Σᵢ wᵢ · mean BCE(logitsᵢ, label) against a label in the place of the target: 1 for real, 0 for made. Its heads
 * train in an `AdversarialTrainer`; what it computes by itself has them as they are when an image of some shape is first seen.
 *
 * @example
 * const discriminator = new GlobalPercLossDiscriminator(teacher, new GlobalPercConfig({ modulesToHook: [/blocks\.(2|5|8|11)$/] }));
 * await discriminator.generateDisc([8, 3, 112, 112]);
 * const { value, grad } = await discriminator.valueAndGrad(image, { dims: [], data: Float32Array.of(1) });
 */
export class GlobalPercLossDiscriminator extends Loss {
  readonly config: GlobalPercConfig;
  readonly description: LabelDescription;
  private readonly kind: HeadKind;
  private made: ModuleList<Head> | undefined;

  /**
   * @param config Curve, hooks and transform; `lossFunc` and `dynamicNormalization` are not used.
   * @throws GlobalPercError when no module of the model matches, and where an argument is another.
   */
  constructor(model: Model, config: GlobalPercConfig = new GlobalPercConfig(), given: DiscriminatorOptions = {}) {
    const { heads = 'attention', ...options } = checkOptions(given, OPTIONS, 'GlobalPercLossDiscriminator');
    super(options);
    this.kind = heads;
    this.config = config;
    const teacher = perceptual(model, withoutScales(config));
    this.description = new LabelDescription(teacher, () => this.heads);
  }

  /** The hooked module calls in execution order. */
  get hooks(): readonly ModuleCall[] {
    return this.description.teacher.hooks;
  }

  /** Weight of each hook. */
  get weights(): readonly number[] {
    return this.description.teacher.weights;
  }

  /** The heads, one for each hook: what trains, and is saved. @throws GlobalPercError before `generateDisc`. */
  get heads(): ModuleList<Head> {
    if (this.made) return this.made;
    throw new GlobalPercError(
      'GlobalPercLossDiscriminator has no heads yet: await discriminator.generateDisc([B, C, H, W]) makes them for images of that shape',
      { code: 'invalid-option' },
    );
  }

  /**
   * Makes new heads for images of a shape `[B, C, H, W]`; the batch may be another later. Their first values come from the generator
   * of `nn.init`. An AdversarialTrainer does this where there are none.
   * @throws GlobalPercError when the model does not take such images.
   */
  async generateDisc(shape: Shape, options: CallOptions = {}): Promise<this> {
    const given = SHAPE(shape, 'generateDisc: shape');
    const steps = (session: SessionOptions) => predictionFeatures(this.description, given, { session, options });
    const activations = await this.inTurn(steps, options);
    this.made = undefined;
    this.headsFor(activations);
    return this;
  }

  /** @internal The heads there are, or else new ones for activations of some shapes. */
  headsFor(activations: readonly Tensor[]): ModuleList<Head> {
    this.made ??= new ModuleList(activations.map(({ shape }) => new HEADS[this.kind](shape.slice(1))));
    return this.made;
  }
}

/** Scales of hooks are those of distances, which heads have none of. */
const withoutScales = (config: GlobalPercConfig): GlobalPercConfig =>
  config instanceof GlobalPercConfig ? new GlobalPercConfig({ ...config, dynamicNormalization: false }) : config;

/** Logits of an image, against a label. */
class LabelDescription implements LossDescription<readonly Tensor[]> {
  readonly teacher: PerceptualDescription;
  readonly openInputs: PerceptualDescription['openInputs'];
  private readonly heads: () => ModuleList<Head>;
  private readonly bce = new BCEWithLogitsLoss();

  constructor(teacher: PerceptualDescription, heads: () => ModuleList<Head>) {
    this.teacher = teacher;
    this.heads = heads;
    this.openInputs = teacher.openInputs;
  }

  get files(): readonly string[] {
    return this.teacher.files;
  }

  prediction(scene: Scene): Steps<readonly Tensor[]> {
    return this.teacher.activations(scene.output, scene);
  }

  // biome-ignore lint/correctness/useYield: nothing to ask the engine
  *target(scene: Scene): Steps<readonly Tensor[]> {
    return [scene.target];
  }

  targetType(): TensorType {
    return { dtype: 'float32', shape: [] };
  }

  inspect(name: string, image: HostTensor): void {
    if (name !== 'target') this.teacher.inspect(name, image);
  }

  compare(prediction: readonly Tensor[], [label]: readonly Tensor[], scene: Scene): Comparison {
    if (label?.size !== 1)
      throw new GlobalPercError(
        `GlobalPercLossDiscriminator: the target is the label, one number, got shape [${label?.shape}]: { dims: [], data: [1] } for real, [0] for made`,
        { code: 'invalid-argument' },
      );
    const judged = this.logits(prediction).map((logits) => judgement(this.bce.elements(logits, label.reshape([]))));
    return weightedHooks(scene, sitesOf(this.teacher.hooks, prediction), judged, this.teacher.weights);
  }

  /** What the heads make of activations. @throws GlobalPercError when they were made for images of another size. */
  logits(activations: readonly Tensor[]): Tensor[] {
    return [...this.heads()].map((head, i) => {
      const activation = activations[i] as Tensor;
      const sample = activation.shape.slice(1);
      if (sameShape(sample, head.sample)) return head(activation);
      throw new GlobalPercError(
        `GlobalPercLossDiscriminator: the head of ${this.teacher.hooks[i]?.path} was made for [${head.sample}], a sample there is [${sample}]: ` +
          'images have another size than generateDisc was told',
        { code: 'invalid-argument' },
      );
    });
  }
}

/** The mean of a loss of logits, as a part of a whole; heads have no places. */
const judgement = (elements: Tensor): Part & { readonly loss: Tensor } => ({
  loss: elements.mean(),
  ...placeless(() => elements.reshape([elements.dim(0), -1]).mean([1])),
});
