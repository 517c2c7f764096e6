/**
 * The public types as users write them, checked by the compiler alone: results are precise, so that no example needs a
 * cast, and what a signature names can be imported.
 */

import {
  augmentationFromJSON,
  type Box,
  DataLoader,
  type Degradation,
  formatNpy,
  type ImageTensor,
  type PairedTransform,
  TensorDataset,
} from '../../src/data/index.js';
import {
  type CallOptions,
  type ConstantData,
  type CosineLossOptions,
  type CurveOptions,
  type DataType,
  type Distance,
  type ErrorCode,
  exportOnnx,
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  type GlobalPercOptions,
  type Hook,
  type HookLoss,
  type HookSelector,
  type HostTensor,
  type InputValue,
  type LoadOptions,
  type LossFunc,
  type LossOptions,
  loadModel,
  type Model,
  type ModelSource,
  type Normalization,
  NormalizedTensorLoss,
  nn,
  type Objective,
  type Operand,
  optim,
  type Prediction,
  type PredictOptions,
  type Progress,
  type Reduction,
  type SessionOptions,
  type Shape,
  type StepResult,
  type StreamOptions,
  type Tensor,
  type TensorLike,
  type TensorType,
  type TrainableModel,
  Trainer,
  type TrainerOptions,
  type TypedArray,
  transforms,
  type ValueAndGrad,
} from '../../src/index.js';

const shape: Shape = [1, 3, 8, 8];
const dtype: DataType = 'float32';
export const type: TensorType = { dtype, shape };
const session: SessionOptions = { intraOpNumThreads: 2 };
const lossOptions: LossOptions = { session };
const [reduction, norm]: [Reduction, Normalization] = ['mean', 'cosine'];
const hooks: readonly HookSelector[] = [nn.Linear, 'Conv2d', /^blocks/, (path) => path.endsWith('fc1')];
const lossFunc: LossFunc = new NormalizedTensorLoss('l2', reduction, norm);
const size: transforms.Size = [4, 6];
const resized: transforms.ResizeOptions = { interpolation: 'bicubic', maxSize: 12 };
const padding: transforms.Padding = [1, 2];
const normalized: transforms.NormalizeOptions = { mean: [0.5], std: [0.5] };
const chain: readonly transforms.Transform[] = [
  new transforms.Resize(4, resized),
  new transforms.CenterCrop(size),
  new transforms.Pad(padding, { mode: 'reflect' } satisfies transforms.PadOptions),
  new transforms.Normalize(normalized),
];
const options: GlobalPercOptions = {
  modulesToHook: hooks,
  lossFunc,
  transformNormalization: new transforms.Compose(chain),
  logger: (message) => console.log(message.length),
};
export const curve: CurveOptions = { startWeight: 1, endWeight: 2, curveForce: 0 };
export const cosine: CosineLossOptions = { dim: -1, reduction };

/** A distance of a user's own. */
export class Weighted implements Distance {
  forward(input: Tensor, target: Tensor): Tensor {
    const factor: Operand = 2;
    return input.sub(target).abs().mul(factor).mean();
  }
}

/** A module of a user's own. */
export class Block extends nn.Module {
  readonly conv = new nn.Conv2d(3, 3, 3, { padding: 1 } satisfies nn.ConvOptions);
  override forward(x: Tensor): Tensor {
    return this.conv(x);
  }
}

/** A schedule of a user's own. */
export class Halved implements optim.lrScheduler.LRScheduler {
  rate(base: number, step: Tensor): Tensor {
    return step.graph.scalar(base / 2, 'float64');
  }
}

export async function use(source: ModelSource, load: LoadOptions, image: TensorLike): Promise<number> {
  const inputs: Readonly<Record<string, InputValue>> = { timestep: 10 };
  await using loss = new GlobalPercLoss(
    await loadModel(source, { ...load, inputs, trainable: false }),
    new GlobalPercConfig(options),
    lossOptions,
  );
  const call: CallOptions = { inputs, onProgress: ({ step }: Progress) => console.log(step) };
  const result: ValueAndGrad = await loss.valueAndGrad(image, image, call);
  // The gradient is float32, as a tensor of onnxruntime-common.
  const data: Float32Array = result.grad.data;
  const dims: readonly number[] = result.grad.dims;
  const found: readonly HookLoss[] = result.hooks;
  const places: readonly Hook[] = found;
  const bytes: Uint8Array = formatNpy({ dims, data });
  const objective: Objective = new nn.WeightedLoss([
    [loss, 1],
    [new nn.L1Loss({ reduction } satisfies nn.PixelLossOptions), 0.5],
  ]);
  return places.length + bytes.length + (await train(new Block(), objective));
}

async function train(student: nn.AnyModule, loss: Objective): Promise<number> {
  const group: optim.ParameterGroup<optim.AdamOptions> = { parameters: /bias$/, weightDecay: 0 };
  const adam: Partial<optim.AdamOptions> & optim.CommonOptions<optim.AdamOptions> = {
    betas: [0.9, 0.99],
    groups: [group],
  };
  const sgd: Partial<optim.SGDOptions> = { momentum: 0.9 };
  const schedule: optim.lrScheduler.StepLROptions = { stepSize: 3 };
  const step = new optim.lrScheduler.StepLR(schedule);
  const optimizer: optim.Optimizer<optim.SGDOptions> = new optim.SGD({ ...sgd, schedule: step });
  const trained: TrainerOptions = { batch: shape, session, target: type, clipGradNorm: 1 };
  await using trainer = await Trainer.create(student, loss, new optim.AdamW(adam), trained);
  const images: ImageTensor = { dims: [3, 8, 8], data: new Float32Array(192) };
  const from: StreamOptions = { from: trainer.steps };
  let last: StepResult | undefined;
  for await (const { input, target } of new DataLoader(new TensorDataset([images], [images])).stream(from)) {
    last = await trainer.step(input, target);
    if (last.step === 2) break;
  }
  const averaged: PredictOptions = { ema: false };
  const predicted: Prediction = await trainer.predict(images, averaged);
  const values: Float32Array = predicted.data;
  await exportOnnx(student, 'student.onnx', { input: shape });
  return values.length + (last?.loss ?? 0) + optimizer.options.momentum;
}

/** An augmentation and a degradation of a user's own. */
export class Same implements PairedTransform, Degradation {
  readonly box: Box = { top: 0, left: 0, height: 1, width: 1 };
  readonly inner: PairedTransform = augmentationFromJSON(['randomRotate90']);
  apply(images: readonly ImageTensor[]): ImageTensor[] {
    return [...images];
  }
  degrade(image: ImageTensor): ImageTensor {
    return image;
  }
}

export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof GlobalPercError ? error.code : undefined;
}

export const loaded = (source: ModelSource, load: LoadOptions): Promise<Model | TrainableModel> =>
  loadModel(source, load);
export const dataOf = ({ data }: HostTensor): TypedArray | undefined => data;
export const bytesOf = ({ bytes }: ConstantData): Uint8Array => bytes;
