/** What images hold: the range that is declared, and the warning where it is another. */
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  type GlobalPercOptions,
  type InputRange,
  loadModel,
  nn,
  optim,
  TeacherStudentLoss,
  Trainer,
  transforms,
} from '../../src/index.js';
import { Generator } from '../../src/random/index.js';

const path = fileURLToPath(new URL('../../fixtures/data/models/vgg.torchscript.onnx', import.meta.url));
const vgg = loadModel(path);
const generator = new Generator(11);
const SHAPE = [1, 3, 32, 32];
const random = () => ({ dims: SHAPE, data: Float32Array.from({ length: 3072 }, () => generator.uniform()) });
const in01 = [random(), random()] as const;
type Image = (typeof in01)[0];
const moved = ({ data }: Image, [low, high]: InputRange): Image => ({
  dims: SHAPE,
  data: data.map((x) => low + x * (high - low)),
});
const transformNormalization = new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
const perceptual = async (options: GlobalPercOptions = {}) =>
  new GlobalPercLoss(
    await vgg,
    new GlobalPercConfig({ modulesToHook: ['Conv2d'], printData: false, transformNormalization, ...options }),
  );
const OTHERS: [InputRange][] = [[[-1, 1]], [[0, 255]]];

describe.each(OTHERS)('inputRange %j', (inputRange) => {
  const [pred, target] = [moved(in01[0], inputRange), moved(in01[1], inputRange)];
  const width = inputRange[1] - inputRange[0];

  it('gives the loss of the same images in [0, 1], and the gradient by what the caller holds', async () => {
    await using loss = await perceptual({ inputRange });
    await using plain = await perceptual();
    const [found, expected] = [await loss.valueAndGrad(pred, target), await plain.valueAndGrad(...in01)];
    expect(found.value).toBeCloseTo(expected.value, 4);
    const off = found.grad.data.map((entry, i) => entry * width - (expected.grad.data[i] as number));
    expect(Math.hypot(...off) / Math.hypot(...expected.grad.data)).toBeLessThan(1e-4);
    await using encoded = await loss.encode(target);
    expect(await loss.evaluate(pred, encoded)).toBeCloseTo(found.value, 4);
  });

  it('gives the gradient that differences show', async () => {
    // Without kinks: what differences show is then the slope.
    const lossFunc = new nn.MSELoss();
    await using loss = await perceptual({ inputRange, lossFunc, modulesToHook: [/^features\.0$/] });
    const { grad } = await loss.valueAndGrad(pred, target);
    const norm = Math.hypot(...grad.data);
    const step = 0.02 * width;
    const [ahead, behind] = [1, -1].map((sign) => ({
      dims: SHAPE,
      data: pred.data.map((x, i) => x + (sign * step * (grad.data[i] as number)) / norm),
    })) as [Image, Image];
    const slope = ((await loss.evaluate(ahead, target)) - (await loss.evaluate(behind, target))) / (2 * step);
    expect(slope / norm).toBeCloseTo(1, 2);
  });

  it('leaves the scale under dynamicNormalization as it is', async () => {
    await using loss = await perceptual({ inputRange, dynamicNormalization: true });
    await using plain = await perceptual({ dynamicNormalization: true });
    expect(await loss.evaluate(pred, target)).toBeCloseTo(await plain.evaluate(...in01), 4);
    loss.weights.forEach((weight, i) => {
      expect(weight / (plain.weights[i] as number)).toBeCloseTo(1, 4);
    });
  });

  it('is part of compiled files, sums, and training', async () => {
    await using loss = await perceptual({ inputRange });
    const session = await InferenceSession.create(await loss.compile(SHAPE));
    const feeds = {
      pred: new OrtTensor('float32', pred.data, SHAPE),
      target: new OrtTensor('float32', target.data, SHAPE),
    };
    const { value, grad } = await loss.valueAndGrad(pred, target);
    const compiled = await session.run(feeds);
    expect(Number(compiled.loss?.data[0])).toBeCloseTo(value, 4);
    const off = grad.data.map((entry, i) => entry - Number(compiled.grad?.data[i]));
    expect(Math.hypot(...off) / Math.hypot(...grad.data)).toBeLessThan(1e-4);
    await using sum = new nn.WeightedLoss([[loss, 0.5]]);
    expect(await sum.evaluate(pred, target)).toBeCloseTo(0.5 * value, 4);
    // A student that hands its input on is trained on the loss of its input.
    const student = new nn.Conv2d(3, 3, 1, { bias: false });
    const data = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
    student.loadStateDict({ weight: { dtype: 'float32', dims: [3, 3, 1, 1], data } });
    await using trainer = await Trainer.create(student, loss, new optim.SGD({ lr: 1e-9 }), { batch: SHAPE });
    expect((await trainer.step(pred, target)).loss).toBeCloseTo(value, 3);
  });
});

it('inputRange is that of what the student of a distillation is given', async () => {
  const lossOf = async (image: Image, options: GlobalPercOptions): Promise<number> => {
    nn.manualSeed(1);
    const student = new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.Conv2d(8, 3, 1));
    const teacher = new GlobalPercConfig({ modulesToHook: [/^features\.0$/], printData: false, ...options });
    const loss = new TeacherStudentLoss(await vgg, student, teacher, { studentModulesToHook: [/^0$/] });
    await using trainer = await Trainer.create(student, loss, new optim.SGD(), { batch: SHAPE });
    return (await trainer.evaluate(image, image)).loss;
  };
  const image = moved(in01[0], [-1, 1]);
  const byHand = { transformNormalization: new transforms.Lambda((x) => x.add(1).div(2)) };
  expect(await lossOf(image, { inputRange: [-1, 1] })).toBeCloseTo(await lossOf(image, byHand), 5);
  expect(await lossOf(image, {})).not.toBeCloseTo(await lossOf(image, byHand), 5);
});

it.each([[[0, 2]], [[1, 0]], [[0]], ['0,1'], [null]])('inputRange %j is refused', (inputRange) => {
  const message = 'inputRange should be one of [0, 1], [-1, 1] and [0, 255], got';
  expect(() => new GlobalPercConfig({ inputRange: inputRange as never })).toThrow(message);
  expect(() => GlobalPercConfig.fromJSON({ inputRange })).toThrow(message);
});

it('JSON takes an inputRange', () => {
  expect(GlobalPercConfig.fromJSON(JSON.parse('{ "inputRange": [-1, 1] }')).inputRange).toEqual([-1, 1]);
});

describe('the range of images', () => {
  const warned = async (scale: number, shift: number, options: GlobalPercOptions): Promise<string[]> => {
    const lines: string[] = [];
    await using loss = new GlobalPercLoss(
      await vgg,
      new GlobalPercConfig({
        modulesToHook: ['Conv2d'],
        printData: false,
        logger: (line) => lines.push(line),
        ...options,
      }),
    );
    const image = random();
    image.data[0] = 1;
    image.data[1] = 0;
    const scaled = { dims: SHAPE, data: image.data.map((x) => x * scale + shift) };
    await loss.evaluate(scaled, scaled);
    await loss.evaluate(scaled, scaled);
    return lines;
  };
  const normalize = { transformNormalization };
  const of = (inputRange: InputRange) => ({ inputRange });
  const bytes = 'set inputRange: [0, 255] (on the command line, --input-range 0,255)';
  const signed = 'set inputRange: [-1, 1] (on the command line, --input-range -1,1)';
  const unit = 'set inputRange: [0, 1] (on the command line, --input-range 0,1)';
  const twice = 'they fit no inputRange; do not normalise images twice';

  it.each<[number, number, string, GlobalPercOptions, string?]>([
    [1, 0, 'Normalize', normalize],
    [1.99, 0, 'Normalize', normalize],
    [2.01, 0, 'Normalize', normalize, `from 0.00 to 2.01; Normalize expects images in [0, 1]: ${twice}`],
    [1.4, -0.49, 'Normalize', normalize],
    [1.4, -0.51, 'Normalize', normalize, `from -0.51 to 0.89; Normalize expects images in [0, 1]: ${signed}`],
    [4.5, -2.1, 'Normalize', normalize, `from -2.10 to 2.40; Normalize expects images in [0, 1]: ${twice}`],
    [255, 0, 'Normalize', normalize, `Normalize expects images in [0, 1]: ${bytes}`],
    [2, -1, 'nothing', {}],
    [9.9, 0, 'nothing', {}],
    [10.1, 0, 'nothing', {}, `from 0.00 to 10.10; few models expect images in [0, 255]: ${bytes}`],
    [255, 0, 'nothing', {}, `few models expect images in [0, 255]: ${bytes}`],
    [1, 0, '[0, 1]', of([0, 1])],
    [255, 0, '[0, 1]', of([0, 1]), `inputRange says [0, 1]: ${bytes}`],
    [2, -1, '[0, 1]', of([0, 1]), `inputRange says [0, 1]: ${signed}`],
    [2, -1, '[-1, 1]', of([-1, 1])],
    [3, -1.5, '[-1, 1]', of([-1, 1])],
    [1, 0, '[-1, 1]', of([-1, 1]), `from 0.00 to 1.00; inputRange says [-1, 1]: ${unit}`],
    [255, 0, '[-1, 1]', of([-1, 1]), `inputRange says [-1, 1]: ${bytes}`],
    [0, 0.5, '[-1, 1], an even image', of([-1, 1])],
    [255, 0, '[0, 255]', of([0, 255])],
    [40, -3, '[0, 255]', of([0, 255])],
    [1, 0, '[0, 255]', of([0, 255]), `inputRange says [0, 255]: ${unit}`],
    [2, -1, '[0, 255]', of([0, 255]), `inputRange says [0, 255]: ${signed}`],
    [0, 0, '[0, 255], a black image', of([0, 255])],
  ])('x · %d + %d for %s', async (scale, shift, _label, options, message) => {
    expect(await warned(scale, shift, options)).toEqual(message ? [expect.stringContaining(message)] : []);
  });

  it('is looked at in the first batches alone', async () => {
    const lines: string[] = [];
    await using loss = await perceptual({ logger: (line) => lines.push(line), modulesToHook: [/^features\.0$/] });
    for (let i = 0; i < 10; i += 1) await loss.evaluate(...in01);
    await loss.evaluate(moved(in01[0], [0, 255]), in01[1]);
    expect(lines).toEqual([]);
  });
});
