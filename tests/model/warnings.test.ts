/** What a file says wrongly about its modules is passed over, and told. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { GlobalPercConfig, GlobalPercLoss } from '../../src/loss/index.js';
import { loadModel } from '../../src/model/index.js';

const bytes = readFileSync(new URL('../../fixtures/data/cases/subclass.onnx', import.meta.url));

it('metadata whose lists do not align is told by the model and by a loss', async () => {
  const name = 'torch.nn.modules.activation.ReLU';
  const damaged = Buffer.from(bytes.toString('latin1').replace(`'${name}'`, ` ${name} `), 'latin1');
  const model = await loadModel(new Uint8Array(damaged));
  expect(model.warnings).toEqual([
    expect.stringMatching(/^the model: the metadata of 1 of 5 nodes does not give one class .* Relu 'node_relu'/),
  ]);
  const lines: string[] = [];
  const config = new GlobalPercConfig({ logger: (line: string) => void lines.push(line) });
  await using loss = new GlobalPercLoss(model, config);
  expect(lines[0]).toBe(`~ Warning: ${model.warnings[0]}`);
  expect(loss.hooks.map(({ path, class: name }) => `${path} ${name}`).slice(0, 2)).toEqual(['0 Conv2d', '1 ReLU']);
});

it('a whole file has no warnings', async () => {
  expect((await loadModel(new Uint8Array(bytes))).warnings).toEqual([]);
});
