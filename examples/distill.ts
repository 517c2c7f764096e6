/**
 * A small network learns to see as AlexNet does: `node examples/distill.ts photos held-out 400`, in Node 22.18 or newer. Writes `student.onnx`, a teacher for
 * losses as AlexNet is one, and `distillation.png`, what both see of the photographs in `held-out`.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  exportOnnx,
  Generator,
  GlobalPercConfig,
  loadModel,
  nn,
  optim,
  REPALoss,
  TeacherStudentLoss,
  Trainer,
  toOnnx,
  transforms,
} from 'globalperc';
import { CenterCrop, contactSheet, DataLoader, ImageFolder, type ImageTensor, RandomCrop } from 'globalperc/data';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [folder = 'photos', heldOut = 'held-out', steps = '400'] = process.argv.slice(2);
const alexnet = fileURLToPath(new URL('../assets/lpips-alex.onnx', import.meta.url));
const [mean, std] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
] as const;

/** AlexNet's places, with 103,000 weights in place of 2,470,000. */
nn.manualSeed(0);
const student = new nn.Sequential(
  new nn.Conv2d(3, 16, 11, { stride: 4, padding: 2 }),
  new nn.ReLU(),
  new nn.MaxPool2d(3, { stride: 2 }),
  new nn.Conv2d(16, 32, 3, { padding: 1 }),
  new nn.ReLU(),
  new nn.MaxPool2d(3, { stride: 2 }),
  new nn.Conv2d(32, 64, 3, { padding: 1 }),
  new nn.ReLU(),
  new nn.Conv2d(64, 64, 3, { padding: 1 }),
  new nn.ReLU(),
  new nn.Conv2d(64, 64, 3, { padding: 1 }),
  new nn.ReLU(),
);
const loss = new TeacherStudentLoss(
  await loadModel(alexnet),
  student,
  new GlobalPercConfig({
    startWeight: 1,
    endWeight: 1,
    transformNormalization: new transforms.Normalize({ mean, std }),
    printData: false,
  }),
  {
    pairs: [
      ['1', 'features.1'],
      ['4', 'features.4'],
      ['11', 'features.11'],
    ],
    projector: 'linear', // 16, 32 and 64 channels meet 64, 192 and 256
    lossFunc: new REPALoss(), // −cosine at each place
  },
);
const schedule = new optim.lrScheduler.CosineAnnealingLR({ tMax: Number(steps) });
const trainer = await Trainer.create(student, loss, new optim.AdamW({ lr: 3e-3, schedule }), {
  batch: [8, 3, 128, 128],
});

const loaderOf = async (path: string) =>
  new DataLoader(await ImageFolder.open(path, { size: [400, 544], transform: new RandomCrop(128) }), { batchSize: 8 });

/** Mean cosines at the three pairs over crops of photographs that it does not learn from. */
async function judge(what: string): Promise<void> {
  const sums = [0, 0, 0];
  let batches = 0;
  for await (const { input } of (await loaderOf(heldOut)).stream()) {
    const { hooks } = await trainer.evaluate(input);
    for (const [i, hook] of hooks.entries()) sums[i] = (sums[i] ?? 0) - hook.loss;
    batches += 1;
    if (batches === 4) break;
  }
  console.log(`${what}: cosines ${sums.map((sum) => (sum / batches).toFixed(3)).join(', ')}`);
}

/** What the student's last layer, behind its projector, makes of images: the projector is a module, too. */
async function seenByStudent(): Promise<InferenceSession> {
  await trainer.synchronize();
  const projector = loss.projectors?.at(2) as nn.Module;
  return InferenceSession.create(await toOnnx(new nn.Sequential(student, projector), { input: [1, 3, 384, 512] }));
}

await judge('untrained');
const untrained = await seenByStudent();
for await (const { input } of (await loaderOf(folder)).stream()) {
  const { step, hooks } = await trainer.step(input);
  if (step % 50 === 0) console.log(`step ${step}: cosines ${hooks.map((hook) => (-hook.loss).toFixed(3)).join(', ')}`);
  if (step === Number(steps)) break;
}
await judge('distilled');

const photos = await ImageFolder.open(heldOut, { size: [400, 544], transform: new CenterCrop([384, 512]) });
const sessions = [await InferenceSession.create(alexnet), untrained, await seenByStudent()];
const rows: { images: ImageTensor[] }[] = [];
for (let i = 0; i < photos.length; i += 1) {
  const photo = (await photos.get(i, new Generator(0))).target as ImageTensor;
  const [, height, width] = photo.dims as [number, number, number];
  const size = height * width;
  const normalized = photo.data.map(
    (x, j) => (x - (mean[Math.floor(j / size)] ?? 0)) / (std[Math.floor(j / size)] ?? 1),
  );
  const maps = await Promise.all(
    sessions.map(async (session, network) => {
      const data = Float32Array.from(network === 0 ? normalized : photo.data);
      const [name, output] = [session.inputNames[0] as string, session.outputNames[0] as string];
      const found = await session.run({ [name]: new Tensor('float32', data, [1, 3, height, width]) }, [output]);
      return found[output] as Tensor;
    }),
  );
  const axes = principalAxes(maps[0] as Tensor);
  rows.push({ images: [photo, ...maps.map((map) => inColours(map, axes))] });
}
await writeFile(
  'distillation.png',
  await contactSheet({ columns: ['photograph', 'AlexNet', 'untrained', 'distilled'], rows, scale: 1 }),
);
await exportOnnx(student, 'student.onnx', { input: [1, 3, 128, 128] });
await trainer.dispose();

/** Unit vectors at the places of a map `[1, C, H, W]`. */
function directions({ data, dims }: Tensor): Float32Array[] {
  const [, channels, height, width] = dims as [number, number, number, number];
  return Array.from({ length: height * width }, (_, place) => {
    const vector = Float32Array.from({ length: channels }, (_, c) => Number(data[c * height * width + place]));
    const length = Math.hypot(...vector) || 1;
    return vector.map((x) => x / length);
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
}

/** The mean direction of a map, and the three along which it varies most, by power iteration. */
function principalAxes(map: Tensor): { middle: Float32Array; axes: Float32Array[] } {
  const all = directions(map);
  const middle = (all[0] as Float32Array).map((_, c) => all.reduce((sum, x) => sum + (x[c] as number), 0) / all.length);
  const centred = all.map((x) => x.map((value, c) => value - (middle[c] as number)));
  const axes: Float32Array[] = [];
  for (let k = 0; k < 3; k += 1) {
    let axis = Float32Array.from(middle, (_, c) => Math.sin(c + k + 1));
    for (let round = 0; round < 30; round += 1) {
      const next = new Float32Array(axis.length);
      for (const x of centred) {
        const share = dot(x, axis);
        for (let c = 0; c < next.length; c += 1) next[c] = (next[c] as number) + share * (x[c] as number);
      }
      for (const former of axes) {
        const share = dot(next, former);
        for (let c = 0; c < next.length; c += 1) next[c] = (next[c] as number) - share * (former[c] as number);
      }
      const length = Math.hypot(...next);
      axis = next.map((x) => x / length);
    }
    axes.push(axis);
  }
  return { middle, axes };
}

/** A map's places along three axes as red, green and blue, enlarged to the photograph's size. */
function inColours(map: Tensor, { middle, axes }: ReturnType<typeof principalAxes>): ImageTensor {
  const [, , height, width] = map.dims as [number, number, number, number];
  const [factor, all] = [16, directions(map)];
  const data = new Float32Array(3 * height * factor * width * factor);
  for (const [k, axis] of axes.entries()) {
    const shift = dot(middle, axis);
    for (let y = 0; y < height * factor; y += 1) {
      for (let x = 0; x < width * factor; x += 1) {
        const place = all[Math.floor(y / factor) * width + Math.floor(x / factor)] as Float32Array;
        data[(k * height * factor + y) * width * factor + x] = Math.min(
          1,
          Math.max(0, 0.5 + 0.9 * (dot(place, axis) - shift)),
        );
      }
    }
  }
  return { dims: [3, height * factor, width * factor], data };
}
