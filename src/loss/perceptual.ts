/** The perceptual loss: distances between a pretrained model's activations for prediction and target. */
import { GlobalPercError, kindOf, type Shape } from '../graph/index.js';
import { Model } from '../model/index.js';
import type { ModuleCall } from '../modules/index.js';
import type { SessionOptions, Steps } from '../runtime/index.js';
import type { Transform } from '../transforms/index.js';
import { GlobalPercConfig } from './config.js';
import { type CallOptions, type Hook, sitesOf, withWeights } from './description.js';
import { predictionFeatures } from './draft.js';
import { Loss, type LossOptions } from './loss.js';
import { snapshotOptions } from './open-inputs.js';
import { SHAPE } from './options.js';
import { PerceptualDescription } from './perceptual-description.js';

/**
 * Σᵢ wᵢ · lossFunc(Aᵢ, Bᵢ) over the hooked activations A of the prediction and B of the target. The model is frozen
 * and in eval mode, as it was exported; the target carries no gradient.
 *
 * @example
 * const loss = new GlobalPercLoss(await loadModel('dinov2.onnx'), new GlobalPercConfig({ modulesToHook: [nn.Linear] }));
 * const { value, grad } = await loss.valueAndGrad(pred, target);
 */
export class GlobalPercLoss extends Loss {
  readonly description: PerceptualDescription;

  /** @throws GlobalPercError when no module of the model matches `modulesToHook`, and where an argument is another. */
  constructor(model: Model, config: GlobalPercConfig = new GlobalPercConfig(), options: LossOptions = {}) {
    super(options);
    this.description = perceptual(model, config);
    if (config.printData) this.print();
  }

  /** The model whose activations are compared. */
  get model(): Model {
    return this.description.model;
  }

  /** The configuration it was made with. */
  get config(): GlobalPercConfig {
    return this.description.config;
  }

  /** The hooked module calls in execution order. */
  get hooks(): readonly ModuleCall[] {
    return this.description.hooks;
  }

  /** The configuration's transform, or else the model's own. */
  get transform(): Transform | undefined {
    return this.description.transform;
  }

  /** Weight of each hook: the curve's, divided by the hook's scale under `dynamicNormalization`, once that is measured. */
  get weights(): readonly number[] {
    return this.description.weights;
  }

  /** The hooks as they are for inputs of one shape `[B, C, H, W]`. Throws as `evaluate` does. */
  async hooksFor(shape: Shape, given: CallOptions = {}): Promise<Hook[]> {
    const options = snapshotOptions(given);
    return this.inTurn((session) => this.describedHooks(SHAPE(shape, 'hooksFor: shape'), session, options), options);
  }

  private *describedHooks(shape: Shape, session: SessionOptions, options: CallOptions): Steps<Hook[]> {
    const context = { session, options };
    yield* this.description.prepare(shape, context);
    const activations = yield* predictionFeatures(this.description, shape, context);
    return withWeights(sitesOf(this.hooks, activations), this.weights);
  }

  private print(): void {
    const { logger } = this.config;
    for (const warning of this.model.warnings) logger(`~ Warning: ${warning}`);
    for (const { path, class: className } of this.hooks) logger(`~ Hook in module: ${path} (${className})`);
    logger(`~ Total hooks: ${this.hooks.length}`);
    logger(`~ Weight of each hook: ${this.weights.map((weight) => Number(weight.toFixed(4))).join(', ')}`);
  }
}

/** The description, of arguments that are what they should be. */
export function perceptual(model: Model, config: GlobalPercConfig): PerceptualDescription {
  if (!(model instanceof Model)) {
    throw new GlobalPercError(`a perceptual loss takes a model, await loadModel(source), got ${kindOf(model)}`, {
      code: 'invalid-option',
    });
  }
  if (!(config instanceof GlobalPercConfig)) {
    throw new GlobalPercError(`a perceptual loss takes a GlobalPercConfig, got ${kindOf(config)}`, {
      code: 'invalid-option',
    });
  }
  return new PerceptualDescription(model, config);
}
