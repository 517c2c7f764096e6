/** Teachers that call their parts as a training step calls its own: steps are those with other names. */
import { expect, it } from 'vitest';
import {
  GlobalPercConfig,
  GlobalPercLoss,
  loadModel,
  NormalizedTensorLoss,
  nn,
  optim,
  type Tensor,
  Trainer,
} from '../../src/index.js';
import { modelOf, NAMES, type Role, renamed } from '../support/colliding.js';

class Student extends nn.Module {
  readonly conv = new nn.Conv2d(2, 2, 1);
  readonly dropout = new nn.Dropout(0.5);

  constructor() {
    super();
    this.conv.weight.data.set([1, 0.5, -0.5, 2]);
    this.conv.bias?.data.set([0.25, -0.75]);
  }

  override forward(x: Tensor): Tensor {
    return this.conv(this.dropout(x));
  }
}

const IMAGE = { dims: [1, 2, 1, 2], data: [0.5, -0.25, 1, 0.75] };
const TARGET = { dims: [1, 2, 1, 2], data: [0, 0.25, 0.5, 0.5] };
const config = new GlobalPercConfig({
  modulesToHook: ['ReLU'],
  lossFunc: new NormalizedTensorLoss('l2', 'mean', 'none'),
  printData: false,
});

/** What two steps and an evaluation give. */
async function told(name: (role: Role) => string): Promise<unknown> {
  const model = await loadModel(modelOf(name), { input: name('image') });
  const inputs = { [name('scale')]: 3, [name('offset')]: 0.5 };
  await using loss = new GlobalPercLoss(model, config);
  const student = new Student();
  const trainer = await Trainer.create(student, loss, new optim.Adam({ lr: 0.1 }), { batch: IMAGE.dims, seed: 4 });
  const steps = [await trainer.step(IMAGE, TARGET, { inputs }), await trainer.step(IMAGE, TARGET, { inputs })];
  const { loss: evaluated } = await trainer.evaluate(IMAGE, TARGET, { inputs });
  await trainer.dispose();
  return [steps.map((step) => [step.loss, step.gradNorm, step.lr]), evaluated, student.conv.weight.data];
}

const plain = told((role) => role);

it('the weights move', async () => {
  const [steps] = (await plain) as [[number, number, number][]];
  expect(steps.map(([loss]) => loss > 0)).toEqual([true, true]);
  expect(steps[0]?.[0]).not.toBe(steps[1]?.[0]);
});

it.each(NAMES.map((_, shift) => shift))('names moved by %i change nothing', async (shift) => {
  expect(await told(renamed(shift))).toEqual(await plain);
});
