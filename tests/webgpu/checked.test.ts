/** A provider that computes something else than the CPU is found out with the first run. */
import { expect, it, vi } from 'vitest';
import { nn, optim, Trainer } from '../../src/index.js';
import type * as Lower from '../../src/passes/lower.js';
import { copyNode, rewriteGraph } from '../../src/passes/transcribe.js';
import { noise, Student } from '../adapters/student.js';

// A provider that takes −x for |x|.
vi.mock('../../src/passes/lower.js', () => ({
  lower: ((graph) => ({
    graph: rewriteGraph(graph, (node, inputs, target) =>
      copyNode(node.op === 'Abs' ? { ...node, op: 'Neg' } : node, inputs, target),
    ),
    onCpu: [],
  })) satisfies typeof Lower.lower,
}));

const session = { executionProviders: ['webgpu'] } as const;
const [pred, target] = [noise(1, 1), noise(1, 2)];

it('by a loss', async () => {
  await using loss = new nn.L1Loss({ session });
  await expect(loss.evaluate(pred, target)).rejects.toMatchObject({
    code: 'runtime',
    message: expect.stringMatching(
      /^execution provider 'webgpu' computes 'loss' as -?0\.00\d+, the CPU as 0\.3\d+: leave out session.executionProviders, or/,
    ),
  });
});

it('by a trainer', async () => {
  const options = { batch: pred.dims, session };
  const trainer = await Trainer.create(new Student(), new nn.L1Loss(), new optim.SGD({ lr: 0.1 }), options);
  await expect(trainer.step(pred, target)).rejects.toThrow("execution provider 'webgpu' computes 'loss' as");
  await trainer.dispose();
});
