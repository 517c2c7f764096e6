/** Wherever options are taken by name, one that is misspelt is an error that names the nearest. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import * as data from '../../src/data/index.js';
import {
  CosineLoss,
  GlobalPercConfig,
  GlobalPercError,
  GlobalPercLoss,
  GramLoss,
  loadModel,
  type Model,
  nn,
  optim,
  TeacherStudentLoss,
  Trainer,
  toOnnx,
  transforms,
  UnitLengthLoss,
} from '../../src/index.js';

const path = fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url));
const image = { dims: [1, 3, 16, 16], data: new Float32Array(768).fill(0.5) };
const dataset = new data.TensorDataset([image], [image]);
const config = new GlobalPercConfig({ printData: false });

/** What a caller in plain JavaScript may write. */
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are such that types would show them
const wrong = (options: object): any => options;

let model: Model;
let loss: GlobalPercLoss;
let trainer: Trainer;
beforeAll(async () => {
  model = await loadModel(path);
  loss = new GlobalPercLoss(model, config);
  trainer = await Trainer.create(new nn.Conv2d(3, 3, 1), new nn.L1Loss(), new optim.SGD(), { batch: [1, 3, 16, 16] });
  return async () => {
    await loss.dispose();
    await trainer.dispose();
  };
});

const { lrScheduler } = optim;
const student = new nn.Linear(2, 2);
const create = (options: object): Promise<Trainer> =>
  Trainer.create(student, new nn.L1Loss(), new optim.SGD(), wrong({ batch: [1, 2], ...options }));

const cases: [string, () => unknown, string][] = [
  ['Trainer.create', () => create({ acumulate: 2 }), 'accumulate'],
  [
    'Trainer.create: inputs',
    () => create({ batch: undefined, inputs: { x: { dtype: 'int64', shpae: [1] } } }),
    'shape',
  ],
  ['MappedLoss', () => new nn.MappedLoss(new nn.L1Loss(), (x) => x, wrong({ tagret: 1 })), 'target'],
  ['TiledLoss', () => new nn.TiledLoss(new nn.L1Loss(), wrong({ tile: 8, ovrelap: 1 })), 'overlap'],
  ['Trainer.create: target', () => create({ target: { dtype: 'float32', shpae: [1] } }), 'shape'],
  ['SGD', () => new optim.SGD(wrong({ momentun: 1 })), 'momentum'],
  ['Adam', () => new optim.Adam(wrong({ beta: [0, 0] })), 'betas'],
  ['AdamW', () => new optim.AdamW(wrong({ wieghtDecay: 1 })), 'weightDecay'],
  ['RMSprop', () => new optim.RMSprop(wrong({ centred: true })), 'centered'],
  ['RAdam', () => new optim.RAdam(wrong({ decoupledWeightDcay: true })), 'decoupledWeightDecay'],
  ['NAdam', () => new optim.NAdam(wrong({ momentumDcay: 1 })), 'momentumDecay'],
  ['Adafactor', () => new optim.Adafactor(wrong({ beta2decay: -1 })), 'beta2Decay'],
  ['Lion', () => new optim.Lion(wrong({ bestas: [0, 0] })), 'betas'],
  ['a group', () => new optim.AdamW({ groups: [wrong({ parameters: /x/, learningRate: 1 })] }), 'lr'],
  ['StepLR', () => new lrScheduler.StepLR(wrong({ stepSize: 1, gama: 1 })), 'gamma'],
  ['LinearLR', () => new lrScheduler.LinearLR(wrong({ totalIter: 1 })), 'totalIters'],
  ['CosineAnnealingLR', () => new lrScheduler.CosineAnnealingLR(wrong({ tMax: 1, etaMni: 0 })), 'etaMin'],
  [
    'CosineAnnealingWarmRestarts',
    () => new lrScheduler.CosineAnnealingWarmRestarts(wrong({ t0: 1, tMul: 2 })),
    'tMult',
  ],
  ['OneCycleLR', () => new lrScheduler.OneCycleLR(wrong({ maxLr: 1, totalSteps: 2, pctStrat: 0.3 })), 'pctStart'],
  ['L1Loss', () => new nn.L1Loss(wrong({ reductoin: 'sum' })), 'reduction'],
  ['MSELoss', () => new nn.MSELoss(wrong({ sesion: {} })), 'session'],
  ['SmoothL1Loss', () => new nn.SmoothL1Loss(wrong({ betta: 1 })), 'beta'],
  ['HuberLoss', () => new nn.HuberLoss(wrong({ dleta: 1 })), 'delta'],
  ['CharbonnierLoss', () => new nn.CharbonnierLoss(wrong({ epss: 1 })), 'eps'],
  ['SSIMLoss', () => new nn.SSIMLoss(wrong({ datarange: 1 })), 'dataRange'],
  ['GramLoss', () => new GramLoss(wrong({ reductoin: 'sum' })), 'reduction'],
  ['UnitLengthLoss', () => new UnitLengthLoss(wrong({ reductoin: 'sum' })), 'reduction'],
  ['BCEWithLogitsLoss', () => new nn.BCEWithLogitsLoss(wrong({ pos_weight: [1] })), 'posWeight'],
  ['CrossEntropyLoss', () => new nn.CrossEntropyLoss(wrong({ label_smoothing: 0.1 })), 'labelSmoothing'],
  ['WeightedLoss', () => new nn.WeightedLoss([[new nn.L1Loss(), 1]], wrong({ sesion: {} })), 'session'],
  ['CosineLoss', () => new CosineLoss(wrong({ dmi: 1 })), 'dim'],
  ['GlobalPercConfig', () => new GlobalPercConfig(wrong({ moduleToHook: [] })), 'modulesToHook'],
  ['GlobalPercConfig.fromJSON', () => GlobalPercConfig.fromJSON({ end_weight: 3 }), 'endWeight'],
  ['GlobalPercLoss', () => new GlobalPercLoss(model, config, wrong({ sessoin: {} })), 'session'],
  [
    'TeacherStudentLoss',
    () => new TeacherStudentLoss(model, student, config, wrong({ studentModuleToHook: [] })),
    'studentModulesToHook',
  ],
  ['evaluate', () => loss.evaluate(image, image, wrong({ signl: 1 })), 'signal'],
  ['valueAndGrad', () => loss.valueAndGrad(image, image, wrong({ input: {} })), 'inputs'],
  ['encode', () => loss.encode(image, wrong({ onprogress: () => 1 })), 'onProgress'],
  ['compile', () => loss.compile(image.dims, wrong({ onprogress: () => 1 })), 'onProgress'],
  ['synchronous', async () => (await loss.synchronous()).valueAndGrad(image, image, wrong({ input: {} })), 'inputs'],
  ['trainer.step', () => trainer.step(image, image, wrong({ input: {} })), 'inputs'],
  ['trainer.evaluate', () => trainer.evaluate(image, image, wrong({ input: {} })), 'inputs'],
  ['trainer.predict', () => trainer.predict(image, wrong({ emma: true })), 'ema'],
  ['loadModel', () => loadModel(path, wrong({ trainble: true })), 'trainable'],
  ['toOnnx', () => toOnnx(student, wrong({ inptu: [1, 2] })), 'input'],
  ['Normalize', () => new transforms.Normalize(wrong({ mean: [0], std: [1], means: [0] })), 'mean'],
  ['Resize', () => new transforms.Resize(8, wrong({ antiAlias: false })), 'antialias'],
  ['Pad', () => new transforms.Pad(8, wrong({ fil: 3 })), 'fill'],
  ['RandomCrop', () => new transforms.RandomCrop(8, wrong({ sed: 3 })), 'seed'],
  ['RandomShift', () => new transforms.RandomShift(8, wrong({ sed: 3 })), 'seed'],
  ['Grayscale', () => new transforms.Grayscale(wrong({ numOutputChannel: 3 })), 'numOutputChannels'],
  ['DataLoader', () => new data.DataLoader(dataset, wrong({ batch_size: 2 })), 'batchSize'],
  ['stream', () => new data.DataLoader(dataset).stream(wrong({ form: 2 })), 'from'],
  ['readImage', () => data.readImage('x.png', wrong({ alhpa: 'drop' })), 'alpha'],
  ['ImageFolder', () => data.ImageFolder.open('photos', wrong({ transfrom: 1 })), 'transform'],
  ['PairedImageFolder', () => data.PairedImageFolder.open('a', 'b', wrong({ loger: 1 })), 'logger'],
  ['SuperResolution', () => new data.SuperResolution(wrong({ scales: 2 })), 'scale'],
  ['Denoise', () => new data.Denoise(wrong({ sgima: 2 })), 'sigma'],
  ['Inpaint', () => new data.Inpaint(wrong({ counts: 2 })), 'count'],
  ['crop', () => data.crop({ ...image, dims: [3, 16, 16] }, wrong({ top: 0, left: 0, height: 1, widht: 1 })), 'width'],
  ['contactSheet', () => data.contactSheet(wrong({ rows: [], column: [] })), 'columns'],
];

describe('a misspelt option is named', () => {
  it.each(cases)('%s', async (_name, use, meant) => {
    const error = await (async () => use())().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as GlobalPercError).message).toMatch(new RegExp(`is not known; did you mean '${meant}'\\?$`));
    expect((error as GlobalPercError).code).toBe('invalid-option');
  });
});
