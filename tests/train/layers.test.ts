/** Ten steps of SGD with momentum on every layer that has weights, against PyTorch. */
import { describe, it } from 'vitest';
import type { Tensor } from '../../src/graph/index.js';
import { MSELoss } from '../../src/loss/index.js';
import { type AnyModule, Module } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { Trainer } from '../../src/train/index.js';
import { buildLayer, callLayer, type LayerCase, layerFamilies } from '../support/layers.js';
import { expectClose } from '../support/run.js';
import { type Fixture, hostOf } from '../support/safetensors.js';

/** A layer on its first input; the others are constants. */
class OnFirstInput extends Module {
  readonly layer: AnyModule;
  private readonly others: (x: Tensor) => Tensor[];
  private readonly fixture: Fixture<LayerCase>;
  private readonly test: LayerCase;

  constructor(fixture: Fixture<LayerCase>, test: LayerCase) {
    super();
    this.layer = buildLayer(fixture, test);
    this.fixture = fixture;
    this.test = test;
    this.others = (x) => test.inputs.slice(1).map((key) => x.graph.constant(fixture.tensor(key)));
  }

  override forward(x: Tensor): Tensor {
    const inputs = [x, ...this.others(x)];
    return callLayer(this.layer, inputs, this.test.call, (key) => this.fixture.tensor(key))[0] as Tensor;
  }
}

const families = layerFamilies.filter(({ fixture }) => fixture.cases.some((test) => test.trained));

describe.each(families)('$family', ({ fixture }) => {
  const trained = fixture.cases.filter((test) => test.trained);
  it.each(trained.map((test) => ({ label: test.name, test })))('$label', async ({ test }) => {
    const { lr, momentum, steps, target, losses, state } = test.trained as NonNullable<LayerCase['trained']>;
    const student = new OnFirstInput(fixture, test);
    const input = fixture.tensor(test.inputs[0] as string);
    await using trainer = await Trainer.create(student, new MSELoss(), new SGD({ lr, momentum }), {
      batch: input.shape,
      dtype: input.dtype as 'float32' | 'int64',
    });
    const taken: number[] = [];
    for (let step = 0; step < steps; step += 1) {
      taken.push((await trainer.step(hostOf(input), hostOf(fixture.tensor(target)))).loss);
    }
    expectClose(taken, losses, 1e-4, 'losses');
    await trainer.synchronize();
    const after = student.layer.stateDict();
    for (const [name, key] of Object.entries(state)) {
      const actual = Array.from(after[name]?.data as ArrayLike<number | bigint>, Number);
      expectClose(actual, fixture.tensor(key), 1e-4, name);
    }
  });
});
