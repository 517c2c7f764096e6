/** What is chosen in the page, as a configuration says it. */
import { fileURLToPath } from 'node:url';
import { LPIPS, loadModel, type ModuleCall } from 'globalperc';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Chosen, configOf, jsonOf, jsonText, transformOf, typescriptOf } from '../../studio/src/look/config.js';
import { byClass, firstChoice, type Loaded } from '../../studio/src/look/model.js';
import { checkedOf, selectorsFor, toggled } from '../../studio/src/look/selection.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/models/${name}`, import.meta.url));

let vit: Loaded;
let alex: Loaded;
beforeAll(async () => {
  const model = await loadModel(fixture('vit.dynamo.onnx'));
  vit = { name: 'vit.onnx', model, leaves: model.calls.filter(({ leaf }) => leaf) };
  const { model: network, config } = await new LPIPS().network();
  alex = { name: 'LPIPS (AlexNet)', model: network, leaves: network.calls.filter(({ leaf }) => leaf), lpips: config };
});

const choose = (selected: ReadonlySet<ModuleCall>, more: Partial<Chosen> = {}): Chosen => ({
  selected,
  startWeight: 1,
  endWeight: 2,
  curveForce: 3,
  distance: 'l1 · cosine',
  normalized: false,
  ...more,
});

describe('check boxes', () => {
  it('are all, some or none of what is below them', () => {
    const [first, second] = vit.leaves as [ModuleCall, ModuleCall];
    expect(checkedOf([first, second], new Set())).toBe('none');
    expect(checkedOf([first, second], new Set([first]))).toBe('some');
    expect(checkedOf([first, second], new Set([first, second]))).toBe('all');
    const some = toggled([first, second], new Set([first]));
    expect(some).toEqual(new Set([first, second]));
    expect(toggled([first], some)).toEqual(new Set([second]));
  });

  it('begin with the layers of LPIPS, else with activation functions', () => {
    expect([...firstChoice(alex)].map(({ path }) => path)).toEqual([1, 4, 7, 9, 11].map((i) => `features.${i}`));
    expect(new Set([...firstChoice(vit)].map((call) => call.class))).toEqual(new Set(['GELU']));
  });
});

describe('modulesToHook', () => {
  const json = (selected: ReadonlySet<ModuleCall>): unknown => jsonOf(vit, choose(selected)).modulesToHook;

  it('is empty for all, a class for a class, and else a pattern', () => {
    const linear = byClass(vit.leaves).get('Linear') as readonly ModuleCall[];
    expect(json(new Set(vit.leaves))).toEqual([]);
    expect(json(new Set(linear))).toEqual(['Linear']);
    const [first, ...others] = linear as [ModuleCall, ...ModuleCall[]];
    expect(json(new Set([first]))).toEqual([`/^${first.path.replaceAll('.', '\\.')}$/`]);
    expect(json(new Set(others))).toEqual([expect.stringMatching(/^\/\^\(.*\|.*\)\$\/$/)]);
  });

  it('chooses what is chosen, whatever that is', () => {
    for (let seed = 1; seed < 40; seed += 1) {
      const selected = new Set(vit.leaves.filter((_, i) => ((i + 3) * seed * 7919) % 5 < 2));
      const config = configOf(vit, choose(selected));
      expect(config.modulesToHook).toHaveLength(1);
      if (selected.size > 0) expect(json(selected), `seed ${seed}`).toBeDefined();
    }
  });

  it('is missing where nothing says it', () => {
    const [first] = vit.leaves as [ModuleCall];
    expect(selectorsFor(vit.leaves, new Set([first]), () => vit.leaves.slice(1))).toBeUndefined();
  });
});

it('a model of a fixed size is given images of it', () => {
  const [, , height, width] = vit.model.input.declaredShape ?? [];
  const fixed = typeof height === 'number' && typeof width === 'number';
  expect(transformOf(vit.model, true)[0]).toEqual(
    fixed ? { resize: [height, width] } : { normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } },
  );
});

describe('TypeScript', () => {
  it('says LPIPS by its network', () => {
    const json = jsonOf(alex, choose(firstChoice(alex), { distance: 'learned' }));
    expect(json).not.toHaveProperty('lossFunc');
    const text = typescriptOf(alex, json);
    expect(text).toContain('const { model, config } = await new LPIPS().network();');
    expect(text).toContain(
      "...config,\n    startWeight: 1,\n    endWeight: 2,\n    curveForce: 3,\n    modulesToHook: ['ReLU'],",
    );
  });

  it('imports what it uses', () => {
    const text = typescriptOf(
      vit,
      jsonOf(vit, choose(new Set(vit.leaves), { normalized: true, distance: 'unit length' })),
    );
    expect(text).toContain(
      "import { GlobalPercConfig, GlobalPercLoss, loadModel, UnitLengthLoss, transforms } from 'globalperc';",
    );
    expect(text).toContain("loadModel('vit.onnx')");
    expect(text).toContain('lossFunc: new UnitLengthLoss()');
    expect(text).toContain('mean: [0.485, 0.456, 0.406]');
  });
});

it('JSON keeps what is short on its line', () => {
  const json = { startWeight: 1, hooks: ['a', 'b'], long: ['x'.repeat(30), 'y'.repeat(30)] };
  const text = jsonText(json);
  expect(JSON.parse(text)).toEqual(json);
  expect(text.split('\n')).toContain('  "hooks": ["a", "b"],');
});
