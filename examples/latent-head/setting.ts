/** What is trained: a head with which a network that was trained on photographs reads their latents. */
import {
  GlobalPercConfig,
  loadModel,
  models,
  nn,
  TeacherStudentLoss,
  type Tensor,
  toOnnx,
  transforms,
} from 'globalperc';
import { readStateDict } from 'globalperc/data';

/** 1 − cos over the channels of `[B, C, H, W]`, or the features of tokens `[B, N, C]`. */
export class Angle {
  forward(input: Tensor, target: Tensor): Tensor {
    const axis = input.rank === 4 ? 1 : input.rank - 1;
    const length = (x: Tensor): Tensor => x.square().sum([axis]).add(1e-12).sqrt();
    return input.mul(target).sum([axis]).div(length(input)).div(length(target)).subtractFrom(1).mean();
  }
}

const imagenet = new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });

/** The teacher, the student with a new head, its loss, and the sides of pictures that they take. */
export interface Setting {
  readonly student: nn.AnyModule;
  readonly loss: TeacherStudentLoss;
  readonly side: number;
}

/** relu(x + conv(conv x)) */
class Residual extends nn.Module {
  readonly conv: nn.Sequential;
  readonly relu = new nn.ReLU();

  constructor(width: number) {
    super();
    const layer = (): nn.Conv2d => new nn.Conv2d(width, width, 3, { padding: 1 });
    this.conv = new nn.Sequential(layer(), new nn.ReLU(), layer());
  }

  override forward(x: Tensor): Tensor {
    return this.relu(x.add(this.conv(x)));
  }
}

/** AlexNet, which comes with the package: latents of a quarter of the picture's side, 32×32 → its first features, 64×31×31. */
export async function alexnet(file: string): Promise<Setting> {
  const head = new nn.Sequential(
    new nn.Conv2d(4, 64, 3, { padding: 1 }),
    new nn.ReLU(),
    new Residual(64),
    new Residual(64),
    new nn.Conv2d(64, 64, 2),
  );
  const student = (await loadModel(file, { trainable: true })).replace('features.0', head);
  student.freeze().trainable(/^features\.0\./);
  const config = new GlobalPercConfig({
    startWeight: 1,
    endWeight: 1,
    transformNormalization: imagenet,
    printData: false,
  });
  const paths = [1, 4, 7, 9, 11].map((layer) => `features.${layer}`);
  const loss = new TeacherStudentLoss(await loadModel(file), student, config, {
    teacherInput: 'target',
    pairs: paths.map((path) => [path, path] as const),
    lossFunc: new Angle(),
  });
  return { student, loss, side: 128 };
}

/** DINOv2 ViT-S/14 with registers, of published weights: latents 64×64 → the 32×32 tokens of the picture 448×448. */
export async function dinov2(weights: string, side = 448): Promise<Setting> {
  const state = await readStateDict(weights);
  const rgb = models.dinov2Vits14Reg().loadStateDict(state);
  const student = models.dinov2Vits14Reg({ patchEmbed: new models.DinoLatentHeader(), patchSize: 2 });
  const { missingKeys } = student.loadStateDict(state, { strict: false });
  if (missingKeys.some((key) => !key.startsWith('patch_embed.proj.')))
    throw new Error(`${weights} lacks ${missingKeys}`);
  student.freeze().trainable(/^patch_embed\.proj\./);
  const teacher = await loadModel(await toOnnx(rgb, { input: [1, 3, side, side] }));
  const config = new GlobalPercConfig({
    startWeight: 1,
    endWeight: 1,
    transformNormalization: imagenet,
    printData: false,
  });
  const paths = [2, 5, 8, 11].map((block) => `blocks.${block}`);
  const loss = new TeacherStudentLoss(teacher, student, config, {
    teacherInput: 'target',
    pairs: paths.map((path) => [path, path] as const),
    lossFunc: new Angle(),
  });
  return { student, loss, side };
}
