import { expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.js';
import { constantOf, int, string, type Tensor } from '../../src/graph/index.js';
import { createGraph, requiredOpset } from '../../src/ops/index.js';
import { Session } from '../../src/runtime/index.js';
import { feedOf, numbersIn } from '../support/run.js';

async function run(graph: any, feeds: any, opts: any = {}) {
  const s = await Session.open(graph, requiredOpset(graph), opts);
  const t = performance.now();
  const r = await s.run(Object.fromEntries(Object.entries(feeds).map(([k, v]) => [k, feedOf(v as any)])));
  const ms = performance.now() - t;
  await s.dispose();
  return { r, ms };
}
it('scalar gather: ops in the gradient', () => {
  const g = createGraph(); const x = g.input('x', 'float32', [2, 3, 4]);
  const y = x.gather(g.constant(constantOf('int64', [], [0])), 1);
  gradient(y.square().sum(), [x]); console.log('scalar gather', g.nodes.map((n) => n.op).join(' '));
});
it('int32 runtime gather', async () => {
  const g = createGraph(); const x = g.input('x', 'float32', [4, 2]); const i = g.input('i', 'int32', [3]);
  const [d] = gradient(x.gather(i, 0).square().sum(), [x]); g.output('d', d as Tensor);
  console.log('int32', await run(g, { x: constantOf('float32', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), i: constantOf('int32', [3], [1, 1, -1]) }).then(({ r }) => numbersIn(r.d), (e) => e.message.slice(0, 200)));
});
it('race', async () => {
  const K = 400000, n = 3, c = 8;
  const g = createGraph(); const x = g.input('x', 'float32', [n, c]); const i = g.input('i', 'int64', [K]);
  const [d] = gradient(x.gather(i, 0).sum(), [x]); g.output('d', d as Tensor);
  const idx = Array.from({ length: K }, (_, k) => k % n);
  for (const threads of [1, 2, 4]) for (let t = 0; t < 3; t++) { const {r, ms} = await run(g, { x: constantOf('float32', [n, c], Array(n * c).fill(1)), i: constantOf('int64', [K], idx) }, { intraOpNumThreads: threads }); console.log('race', threads, numbersIn(r.d).slice(0, 4), K / n, ms); }
});
it('empty slice', async () => {
  const g = createGraph(); const x = g.input('x', 'float32', [4]);
  const s = x.slice([0], [3], [2]); const [d] = gradient(s.sum().add(x.sum()), [x]); g.output('d', d as Tensor);
  console.log('empty slice', await run(g, { x: constantOf('float32', [4], [1, 2, 3, 4]) }).then(({ r }) => numbersIn(r.d), (e) => e.message.slice(0, 200)));
});
it('scatter max', async () => {
  const g = createGraph(); const x = g.input('x', 'float32', [3]); const u = g.input('u', 'float32', [2]);
  const y = g.emit('ScatterElements', [x, g.ints([0, 0]), u], { reduction: string('mul') })[0] as Tensor;
  try { gradient(y.sum(), [x, u]); console.log('mul accepted silently'); } catch (e) { console.log('mul:', (e as Error).message); }
});
it('fractional reshape', () => {
  const g = createGraph(); const x = g.input('x', 'float32', [5]);
  try { console.log('fractional', (g.emit('Reshape', [x, g.ints([2, -1])])[0] as Tensor).shape); } catch (e) { console.log((e as Error).message); }
});
it('reflect cost', async () => {
  const shape = [1, 64, 256, 256];
  const build = (viaRule: boolean) => { const g = createGraph(); const x = g.input('x', 'float32', [1, 64, 256, 256]);
  const y = g.emit('Pad', [x, g.ints([0, 0, 1, 1, 0, 0, 1, 1])], { mode: string('reflect') })[0] as Tensor;
  if (viaRule) { const [d] = gradient(y.mul(y).sum(), [x]); g.output('d', d as Tensor); } else {
    let d = y.mul(2);
    for (const axis of [2, 3]) { const m = 256; const at = (k: number) => shape.map((_, j) => (j === axis ? k : 0));
      const mid = d.slice([axis], [1], [m + 1]); const b = d.slice([axis], [0], [1]).flip([axis]); const a = d.slice([axis], [m + 1], [m + 2]).flip([axis]);
      d = mid.add(b.pad(at(1), at(m - 2))).add(a.pad(at(m - 2), at(1))); }
    g.output('d', d); }
  console.log(g.nodes.map((n) => n.op).join(' ')); return g; };
  const data = constantOf('float32', shape, Array(64 * 65536).fill(0.5));
  for (const via of [true, false]) { const g = build(via); for (let t = 0; t < 2; t++) { const s = await Session.open(g, requiredOpset(g)); await s.run({ x: feedOf(data) }); const t0 = performance.now(); for (let k = 0; k < 3; k++) await s.run({ x: feedOf(data) }); console.log('reflect', via ? 'matrix' : 'slices', (performance.now() - t0) / 3); await s.dispose(); } }
});
it('pad value vector', () => {
  const g = createGraph(); const x = g.input('x', 'float32', [2]); const v = g.input('v', 'float32', [1]);
  try { gradient((g.emit('Pad', [x, g.ints([1, 1]), v])[0] as Tensor).sum(), [x, v]); } catch (e) { console.log('pad value', (e as Error).message); }
});
