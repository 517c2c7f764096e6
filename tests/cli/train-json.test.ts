/** Training configurations in JSON: what they build, and the one line that each mistake ends with. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromJSON } from '../../src/cli/train-json.js';
import type { TrainConfig } from '../../src/cli/train-module.js';
import type { DataLoader } from '../../src/data/index.js';
import {
  CosineLoss,
  GlobalPercError,
  GlobalPercLoss,
  GramLoss,
  LPIPS,
  nn,
  optim,
  TeacherStudentLoss,
  Trainer,
  UnitLengthLoss,
} from '../../src/index.js';

const SQUEEZENET = fileURLToPath(new URL('../../fixtures/data/lpips/squeezenet1_1.pth', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-train-json-'));
  await mkdir(join(folder, 'photos'));
  await sharp({ create: { width: 8, height: 8, channels: 3, background: '#345' } })
    .png()
    .toFile(join(folder, 'photos', 'a.png'));
  await copyFile(
    fileURLToPath(new URL('../../fixtures/data/training/vgg.onnx', import.meta.url)),
    join(folder, 'vgg.onnx'),
  );
  await writeFile(join(folder, 'text.onnx'), 'no model');
  await copyFile(SQUEEZENET, join(folder, 'squeeze.pth'));
});
afterAll(() => rm(folder, { recursive: true }));

const BASE = {
  student: { unet: { width: 4, depth: 1 } },
  loss: 'l1',
  optimizer: 'adamW',
  data: { folder: 'photos', batchSize: 1 },
  steps: 6,
};

const read = (changes: object): Promise<TrainConfig> =>
  fromJSON({ ...BASE, ...changes }, join(folder, 'train.json'), { seed: 0, threads: 2 });

describe('what is built', () => {
  it('optimiser with groups and schedules', async () => {
    const { optimizer } = await read({
      optimizer: {
        sgd: {
          lr: 0.1,
          momentum: 0.9,
          groups: [{ parameters: 'bias$', weightDecay: 0 }],
          schedule: {
            sequential: { schedulers: [{ linear: { totalIters: 2 } }, { step: { stepSize: 3 } }], milestones: [2] },
          },
        },
      },
    });
    expect(optimizer).toBeInstanceOf(optim.SGD);
    expect(optimizer.options).toMatchObject({ lr: 0.1, momentum: 0.9, weightDecay: 0 });
    expect(optimizer.groups).toEqual([{ parameters: /bias$/, weightDecay: 0 }]);
    const { schedulers, milestones } = optimizer.schedule as optim.lrScheduler.SequentialLR;
    expect(milestones).toEqual([2]);
    expect(schedulers).toEqual([
      new optim.lrScheduler.LinearLR({ totalIters: 2 }),
      new optim.lrScheduler.StepLR({ stepSize: 3 }),
    ]);
  });

  it('losses, alone and weighted', async () => {
    const perceptual = {
      perceptual: { teacher: 'vgg.onnx', modulesToHook: ['Conv2d'], endWeight: 3, lossFunc: 'mse' },
    };
    const { loss } = await read({
      loss: {
        weighted: {
          terms: [
            [{ huber: { delta: 0.5 } }, 2],
            [perceptual, 0.1],
          ],
        },
      },
    });
    const [[huber, two], [deep, tenth]] = (loss as nn.WeightedLoss).terms as never as [
      [nn.HuberLoss, number],
      [GlobalPercLoss, number],
    ];
    expect([huber.delta, two, tenth]).toEqual([0.5, 2, 0.1]);
    expect(huber).toBeInstanceOf(nn.HuberLoss);
    expect(deep).toBeInstanceOf(GlobalPercLoss);
    expect(deep.config).toMatchObject({ endWeight: 3, printData: false });
    expect(deep.config.lossFunc).toBeInstanceOf(nn.MSELoss);
  });

  it('distillation, and a balance between terms', async () => {
    const teacherStudent = {
      ...{ teacher: 'vgg.onnx', pairs: [['', 'features.0']], projector: 'linear', endWeight: 3 },
      lossFunc: { type: 'kd', temperature: 4 },
    };
    const terms = [
      ['l1', 1],
      [{ teacherStudent }, 0.1],
    ];
    const { student, loss } = await read({ loss: { weighted: { terms, balance: 'uncertainty' } } });
    const [, [distillation]] = (loss as nn.WeightedLoss).terms as never as [unknown, [TeacherStudentLoss]];
    expect(distillation).toBeInstanceOf(TeacherStudentLoss);
    expect(distillation.config).toMatchObject({ endWeight: 3, printData: false });
    const [shape, optimizer] = [[2, 3, 16, 16], new optim.SGD({ lr: 0 })];
    await using trainer = await Trainer.create(student, loss, optimizer, { batch: shape });
    const image = { dims: shape, data: new Float32Array(1536).fill(0.5) };
    const { hooks, logged } = await trainer.step(image, image);
    expect(hooks.map(({ class: name }) => name)).toEqual(['L1Loss', 'UNet']);
    expect(logged['weight/1 TeacherStudentLoss']).toBeCloseTo(0.05, 6);
    expect(distillation.projectors?.length).toBe(1);
  });

  it('losses of the package, weights by path or URL', async () => {
    const squeeze = { lpips: { net: 'squeeze', weights: 'squeeze.pth' } };
    const hash = createHash('sha256').update(readFileSync(SQUEEZENET)).digest('hex');
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      const { loss } = await read({
        loss: {
          weighted: {
            terms: [
              [squeeze, 2],
              ['lpips', 1],
            ],
          },
        },
      });
      const [[first], [second]] = (loss as nn.WeightedLoss).terms as never as [[LPIPS], [LPIPS]];
      expect([first, second].map((term) => [term.constructor, term.sha256])).toEqual([
        [LPIPS, hash],
        [LPIPS, undefined],
      ]);
      const place = join(folder, 'squeeze.pth');
      expect(loss.description.files).toContain(place);
      expect(stderr.mock.calls).toEqual([[`${place}: SHA-256 ${hash}\n`]]);
      const { href } = pathToFileURL(place);
      const { loss: byUrl } = await read({ loss: { lpips: { net: 'squeeze', weights: href } } });
      expect((byUrl as LPIPS).sha256).toBe(hash);
    } finally {
      stderr.mockRestore();
    }
  });

  it.each([
    ['gram', GramLoss, { reduction: 'mean' }],
    [{ type: 'gram', reduction: 'sum' }, GramLoss, { reduction: 'sum' }],
    ['unitLength', UnitLengthLoss, { reduction: 'mean' }],
    ['charbonnier', nn.CharbonnierLoss, { eps: 1e-3 }],
    [{ type: 'charbonnier', eps: 0.1 }, nn.CharbonnierLoss, { eps: 0.1 }],
    ['cosine', CosineLoss, { dim: -1 }],
    [{ type: 'cosine', dim: 1 }, CosineLoss, { dim: 1 }],
  ])('the distance %j', async (lossFunc, Class, options) => {
    const { loss } = await read({ loss: { perceptual: { teacher: 'vgg.onnx', lossFunc } } });
    const distance = (loss as GlobalPercLoss).config.lossFunc;
    expect(distance).toBeInstanceOf(Class);
    expect(distance).toMatchObject(options);
  });

  it.each([
    [{ charbonnier: { eps: 0.1 } }, nn.CharbonnierLoss, { eps: 0.1 }],
    ['ssim', nn.SSIMLoss, { dataRange: 1 }],
    [{ msssim: { dataRange: 2 } }, nn.MSSSIMLoss, { dataRange: 2 }],
  ])('the loss %j', async (json, Class, options) => {
    const { loss } = await read({ loss: json });
    expect(loss).toBeInstanceOf(Class);
    expect(loss).toMatchObject(options);
  });

  it('data, student, limits and threads', async () => {
    const config = await read({
      student: { unet: { width: 2, depth: 2, outChannels: 1 } },
      data: { folder: 'photos', batchSize: 3, size: [4, 6], augment: ['randomHorizontalFlip'], degradation: 'denoise' },
      clipGradNorm: 1,
      clipGradValue: 0.5,
      accumulate: 2,
      ema: 0.99,
      checkpointEvery: 5,
    });
    expect(config).toMatchObject({
      steps: 6,
      checkpointEvery: 5,
      trainer: { clipGradNorm: 1, clipGradValue: 0.5, accumulate: 2, ema: 0.99, session: { intraOpNumThreads: 2 } },
    });
    for await (const { input } of config.data) expect(input.dims).toEqual([1, 3, 4, 6]);
    expect(config.data.batchSize).toBe(3);
    expect(config.student.stateDict()['head.weight']?.dims).toEqual([1, 2, 1, 1]);
  });

  it.each([
    ['a tar', { folder: 'ustar.tar' }, 2],
    [
      'a column of a Parquet file, the first samples, several times',
      { folder: 'hub.parquet', column: 'mask', take: 3, repeat: 2 },
      6,
    ],
    ['a folder of shards', { folder: '.', column: 'mask' }, 9],
  ])('%s', async (_, data, samples) => {
    for (const name of ['ustar.tar', 'pax.tar', 'hub.parquet'].filter(
      (name) => data.folder === '.' || name === data.folder,
    ))
      await cp(`fixtures/data/shards/${name}`, join(folder, 'shards', name));
    const config = await read({ data: { ...data, folder: join('shards', data.folder), batchSize: 1 } });
    expect(config.data.dataset.length).toBe(samples);
    for await (const { input } of config.data) expect(input.dims).toEqual([1, 3, 4, 6]);
  });
});

it('a share of the pictures is kept out of training and judges the run', async () => {
  for (const name of ['ustar.tar', 'pax.tar', 'gnu.tar'])
    await cp(`fixtures/data/shards/${name}`, join(folder, 'split', name));
  const data = { folder: 'split', batchSize: 1, repeat: 3 };
  const { data: training, validation } = await read({ data, validation: { split: 0.4 } });
  const targets = async (loader: DataLoader | undefined): Promise<Set<string>> => {
    const found = new Set<string>();
    for await (const { target } of loader ?? []) found.add(String(target.data));
    return found;
  };
  const [seen, kept] = [await targets(training), await targets(validation?.data)];
  expect([training.dataset.length, seen.size, kept.size]).toEqual([12, 4, 2]);
  expect([...seen].filter((target) => kept.has(target))).toEqual([]);
});

describe('mistakes end in one line that names file and key', () => {
  it.each([{}, { split: 0.1, data: { folder: 'photos' } }])('validation of %s', async (validation) => {
    await expect(read({ validation })).rejects.toThrow('validation: should have either data or split');
  });
  const adamW = (options: object): object => ({ optimizer: { adamW: options } });
  const perceptual = (options: object): object => ({ loss: { perceptual: { teacher: 'vgg.onnx', ...options } } });
  const cases: [object, RegExp][] = [
    // Unknown keys, each with the nearest.
    [{ optimiser: {} }, /train.json: 'optimiser' is not known; did you mean 'optimizer'\?/],
    [{ clip_grad_norm: 1 }, /'clip_grad_norm' is not known; did you mean 'clipGradNorm'\?/],
    [{ acumulate: 3 }, /'acumulate' is not known; did you mean 'accumulate'\?/],
    [adamW({ learningRate: 1e-3 }), /optimizer: adamW: 'learningRate' is not known; did you mean 'lr'\?/],
    [adamW({ wieghtDecay: 1e-3 }), /optimizer: adamW: 'wieghtDecay' is not known; did you mean 'weightDecay'\?/],
    [
      adamW({ momentum: 0.9 }),
      /adamW: 'momentum' is not known; known are lr, weightDecay, betas, eps, schedule, groups/,
    ],
    [adamW({ schedule: { cosineAnnealing: { tMax: 5, etaMni: 1 } } }), /cosineAnnealing: 'etaMni' .* 'etaMin'\?/],
    [adamW({ schedule: { cosine: { tMax: 5 } } }), /schedule: 'cosine' is not known; did you mean 'cosineAnnealing'\?/],
    [adamW({ groups: [{ params: 'x' }] }), /groups\[0\]: 'params' is not known; did you mean 'parameters'\?/],
    [{ loss: { l3: {} } }, /loss: 'l3' is not known; did you mean 'l1'\?/],
    [{ optimizer: { shampoo: {} } }, /optimizer: 'shampoo' is not known; known are sgd, adam, adamW, nAdam/],
    [{ data: { folder: 'photos', degradation: { rain: {} } } }, /degradation: 'rain' is not known/],
    [{ optimizer: 'adamw' }, /optimizer: 'adamw' is not known; did you mean 'adamW'\?/],
    [{ student: { unet: { widht: 4 } } }, /student: unet: 'widht' is not known; did you mean 'width'\?/],
    [{ data: { folder: 'photos', batch_size: 2 } }, /data: 'batch_size' is not known; did you mean 'batchSize'\?/],
    [{ data: { folder: 'photos', augment: [{ randomcrop: 4 }] } }, /augment\[0\]: 'randomcrop' .* 'randomCrop'\?/],
    [{ data: { folder: 'photos', augment: [{ randomCrop: { sise: 4 } }] } }, /randomCrop: 'sise' .* 'size'\?/],
    [
      { data: { folder: 'photos', degradation: { denoise: { sigm: 1 } } } },
      /degradation: denoise: 'sigm' .* 'sigma'\?/,
    ],
    [{ loss: { huber: { dleta: 1 } } }, /loss: huber: HuberLoss: 'dleta' is not known; did you mean 'delta'\?/],
    [perceptual({ modulesTohook: [] }), /loss: perceptual: 'modulesTohook' .* 'modulesToHook'\?/],
    [perceptual({ lossFunc: { typ: 'l1' } }), /lossFunc: 'typ' is not known; did you mean 'type'\?/],
    [
      perceptual({ lossFunc: { type: 'cosine', norm: 'minmax' } }),
      /lossFunc: CosineLoss: 'norm' is not known; known are dim/,
    ],
    [perceptual({ transformNormalization: [{ resize: { sise: 4 } }] }), /transformNormalization\[0\]: resize: 'sise'/],
    [{ loss: { weighted: { term: [] } } }, /loss: weighted: 'term' is not known; did you mean 'terms'\?/],
    // Missing ones.
    [{ steps: undefined }, /train.json: 'steps' is missing/],
    [{ student: undefined }, /train.json: 'student' is missing/],
    [{ optimizer: undefined }, /train.json: 'optimizer' is missing/],
    [adamW({ groups: [{ lr: 1 }] }), /groups\[0\]: 'parameters' is missing/],
    [adamW({ schedule: { step: {} } }), /schedule: step: 'stepSize' is missing/],
    [adamW({ schedule: { sequential: { milestones: [3] } } }), /sequential: 'schedulers' is missing/],
    [{ data: {} }, /data: 'folder' is missing/],
    [{ data: { folder: 'photos', augment: ['randomCrop'] } }, /augment\[0\]: randomCrop: 'size' is missing/],
    [{ loss: { perceptual: {} } }, /loss: perceptual: teacher should be a string, got undefined/],
    // Other types, which would end in NaN or a stack trace.
    [{ steps: 0.5 }, /train.json: steps should be an integer from 1 on, got 0.5/],
    [{ optimizer: { sgd: { lr: -1 } } }, /train.json: optimizer: sgd: lr should be a number from 0 on, got -1/],
    [{ steps: '6' }, /train.json: steps should be an integer from 1 on, got "6"/],
    [{ steps: null }, /steps should be an integer from 1 on, got null/],
    [{ accumulate: '2' }, /accumulate should be a number, got "2"/],
    [{ student: null }, /student should be a name or an object with one key, of unet, got null/],
    [{ student: { unet: { depth: '1' } } }, /unet: depth should be an integer from 1 on, got "1"/],
    [{ student: { unet: 3 } }, /student: unet should be an object of options, got 3/],
    [{ loss: 5 }, /loss should be a name or an object with one key, of l1, .* got 5/],
    [{ loss: { l1: null } }, /loss: l1: L1Loss should be an object of options, got null/],
    [{ loss: { smoothL1: { beta: '1' } } }, /SmoothL1Loss: beta should be a number from 0 on, got "1"/],
    [{ loss: { weighted: { terms: [['l1']] } } }, /terms\[0\] should be a list of 2, got \["l1"\]/],
    [{ loss: { weighted: { terms: [['l1', '1']] } } }, /terms\[0\]\[1\] should be a number, got "1"/],
    [{ loss: { weighted: { terms: 'l1' } } }, /terms should be a list, got "l1"/],
    [perceptual({ startWeight: '1' }), /perceptual: startWeight should be a number, got "1"/],
    [perceptual({ printData: 1 }), /printData should be true or false, got 1/],
    [perceptual({ modulesToHook: 'Conv2d' }), /modulesToHook should be a list, got "Conv2d"/],
    [perceptual({ modulesToHook: [3] }), /modulesToHook\[0\] should be a string, got 3/],
    [perceptual({ lossFunc: null }), /lossFunc should be an object of options, got null/],
    [perceptual({ lossFunc: { type: 'l3' } }), /lossFunc: type should be one of l1, l2, cosine, gram, .*, got "l3"/],
    [perceptual({ lossFunc: 'unitlength' }), /lossFunc: 'unitlength' is not known; did you mean 'unitLength'\?/],
    [perceptual({ lossFunc: { type: 'gram', norm: 'l1' } }), /lossFunc: GramLoss: 'norm' is not known/],
    [
      perceptual({ lossFunc: { type: 'charbonnier', eps: 0 } }),
      /CharbonnierLoss: eps should be a number from 1e-18 on/,
    ],
    [{ loss: { ssim: { dataRange: 0 } } }, /loss: ssim: SSIMLoss: dataRange should be a number above 0, got 0/],
    [perceptual({ transformNormalization: null }), /transformNormalization should be a list, got null/],
    [perceptual({ teacher: 4 }), /teacher should be a string, got 4/],
    [adamW({ lr: '1e-3' }), /adamW: lr should be a number from 0 on, got "1e-3"/],
    [adamW({ lr: null }), /adamW: lr should be a number from 0 on, got null/],
    [adamW({ betas: 0.9 }), /adamW: betas should be a list of 2, got 0.9/],
    [adamW({ betas: [0.9, 1] }), /betas\[1\] should be a number from 0 on and below 1, got 1/],
    [adamW({ groups: { parameters: 'x' } }), /groups should be a list, got \{"parameters": "x"\}/],
    [adamW({ groups: [{ parameters: 3 }] }), /groups\[0\]: parameters should be a pattern, got 3/],
    [adamW({ groups: [{ parameters: 'x', lr: '1' }] }), /groups\[0\]: lr should be a number from 0 on, got "1"/],
    [
      adamW({ schedule: { linear: { totalIters: '5' } } }),
      /linear: totalIters should be an integer from 1 on, got "5"/,
    ],
    [
      adamW({ schedule: { sequential: { schedulers: [null], milestones: [] } } }),
      /schedulers\[0\] should be a name or/,
    ],
    [{ data: 'photos' }, /data should be an object of options, got "photos"/],
    [{ data: { folder: 3 } }, /data: folder should be a string, got 3/],
    [{ data: { folder: 'photos', batchSize: 2.5 } }, /batchSize should be an integer from 1 on, got 2.5/],
    [{ data: { folder: 'photos', augment: { randomCrop: 4 } } }, /augment should be a list/],
    [
      { data: { folder: 'photos', augment: [{ randomCrop: '4' }] } },
      /randomCrop: size should be a positive integer or/,
    ],
    [{ data: { folder: 'photos', size: '8' } }, /size should be a positive integer or \[height, width\], got "8"/],
    // Losses of the package.
    [{ loss: { lpips: { nett: 'vgg' } } }, /loss: lpips: LPIPS: 'nett' is not known; did you mean 'net'\?/],
    [{ loss: { lpips: { net: 'vgg' } } }, /loss: lpips: LPIPS: net 'vgg' needs the weights of torchvision's vgg16/],
    [{ loss: 'dists' }, /loss: dists: DISTS needs the weights of torchvision's vgg16/],
    [{ loss: { dists: { weights: 3 } } }, /loss: dists: weights should be a string, got 3/],
    [{ loss: { lpips: 'vgg' } }, /loss: lpips should be an object of options, got "vgg"/],
    [{ loss: { dists: { weights: 'absent.pth' } } }, /cannot read '\/.*\/absent\.pth': there is no such file/],
    [{ loss: { dists: { weights: 'squeeze.pth' } } }, /squeeze\.pth does not hold the weights of torchvision's vgg16/],
    // Patterns.
    [
      adamW({ groups: [{ parameters: '(' }] }),
      /groups\[0\]: parameters should be a valid regular expression .* got "\("/,
    ],
    [perceptual({ modulesToHook: ['/(/'] }), /modulesToHook.*\/\(\/ is not a valid regular expression/],
    // Together wrong.
    [{ optimizer: { sgd: { nesterov: true } } }, /optimizer: sgd: SGD: Nesterov needs a momentum and no dampening/],
    [
      { optimizer: { sgd: { momentum: 0.9, groups: [{ parameters: 'x', nesterov: true, momentum: 0 }] } } },
      /Nesterov needs a momentum and no dampening/,
    ],
    [
      adamW({ schedule: { sequential: { schedulers: ['linear'], milestones: [3] } } }),
      /sequential: SequentialLR: 1 schedulers need 0 ascending milestones, got \[3\]/,
    ],
    [{ loss: { weighted: { terms: [] } } }, /WeightedLoss needs at least one/],
    [perceptual({ teacher: 'absent.onnx' }), /absent.onnx/],
  ];

  it.each(cases)('%j', async (changes, message) => {
    const error = await read(changes).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GlobalPercError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });

  it.each([null, 3, 'l1', [BASE]])('%j is no configuration', async (json) => {
    await expect(fromJSON(json, 'train.json', { seed: 0, threads: undefined })).rejects.toThrow(
      /^train.json should be an object of options, got /,
    );
  });

  it('nothing is read before all of it is checked', async () => {
    const changes = { loss: { perceptual: { teacher: 'text.onnx' } }, data: { folder: 'absent' } };
    await expect(read({ ...changes, steps: 0 })).rejects.toThrow(/steps should be/);
    await expect(read({ ...changes, data: { folder: 'photos', batchSize: 0 } })).rejects.toThrow(/batchSize/);
    await expect(read(changes)).rejects.toThrow(/text.onnx/);
  });
});
