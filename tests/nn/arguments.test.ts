/** Whatever a layer is given, it is made, or refused in one line of ours. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import * as nn from '../../src/nn/index.js';
import * as layers from '../../src/nn/layers/index.js';
import { layerFamilies } from '../support/layers.js';

type Construct = new (...args: unknown[]) => nn.AnyModule;

const cases = layerFamilies.flatMap(({ fixture }) => fixture.cases.map(({ layer }) => layer));

const all = Object.entries({ ...layers, ...containers() } as unknown as Record<string, Construct>).map(
  ([name, Layer]) => ({ name, Layer, known: cases.filter((layer) => layer.class === name) }),
);

function containers() {
  const { Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict } = nn;
  return { Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict };
}

/** Makes a layer, whose weights are numbers; gives the message, if it is refused. */
function made(Layer: Construct, args: readonly unknown[]): string | undefined {
  try {
    const layer = new Layer(...args);
    expect(layer).toBeInstanceOf(nn.Module);
    for (const { data } of layer.parameters()) expect(data.every(Number.isFinite)).toBe(true);
    return undefined;
  } catch (error) {
    if (!(error instanceof GlobalPercError)) throw error;
    expect(error.message).not.toContain('\n');
    return error.message;
  }
}

const STRANGE = [
  'x',
  '3',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  1.5,
  null,
  true,
  {},
  [],
  ['x'],
  () => 1,
  Symbol('s'),
  3n,
];

describe.each(all)('$name', ({ name, Layer, known }) => {
  it('without arguments', () => {
    const message = made(Layer, []);
    if (message !== undefined) expect(message).toContain(name);
  });

  it('with one strange argument', () => {
    for (const value of STRANGE) made(Layer, [value]);
  });

  it('with a strange value for one of its arguments', () => {
    for (const { args } of known) {
      for (const place of args.keys()) {
        for (const value of STRANGE) made(Layer, args.with(place, value));
        for (const value of ['x', {}, true]) expect(made(Layer, args.with(place, value))).toContain(name);
        expect(made(Layer, args.slice(0, place)) ?? name).toContain(name);
      }
    }
  });

  it('with a strange value for one of its options', () => {
    for (const { args, options } of known) {
      for (const key of Object.keys(options)) {
        for (const value of STRANGE) made(Layer, [...args, { ...options, [key]: value }]);
        for (const value of [{}, Number.NaN])
          expect(made(Layer, [...args, { ...options, [key]: value }])).toContain(key);
      }
    }
  });

  it('with an option that it does not know, or none that is an object', () => {
    for (const { args, options } of known.filter((layer) => Object.keys(layer.options).length > 0)) {
      const [key] = Object.keys(options) as [string];
      const misspelt = `${key.slice(0, -1)}${key.at(-1)}q`;
      const message = made(Layer, [...args, { ...options, [misspelt]: 1 }]);
      expect(message).toBe(`${name}: '${misspelt}' is not known; did you mean '${key}'?`);
      expect(made(Layer, [...args, 'x'])).toBe(`${name} should be an object of options, got "x"`);
    }
    for (const { args } of known) made(Layer, [...args, { nonsense: 1 }]);
  });
});

describe('what layers are made of', () => {
  const { init } = nn;
  const weight = new nn.Parameter([2, 2]);
  it.each<[() => unknown, RegExp]>([
    [() => new nn.Parameter(3 as never), /^Parameter: shape should be a list, got 3$/],
    [() => new nn.Parameter([2, -1]), /^Parameter: shape\[1\] should be an integer from 0 on, got -1$/],
    [() => new nn.Parameter([2], 3 as never), /^Parameter: data should be a list of numbers or a typed array, got 3$/],
    [() => new nn.Parameter([2], [1]), /^a parameter of shape \[2\] needs 2 elements, got 1$/],
    [
      () => new nn.Buffer([2], [1, 2] as never),
      /^Buffer: data should be a Float32Array or a BigInt64Array, got \[1, ?2\]$/,
    ],
    [() => new nn.Buffer([2], new Float32Array(3)), /^a buffer of shape \[2\] needs 2 elements, got 3$/],
    [() => init.ones(undefined as never), /^nn\.init: what is filled should be a Parameter, got undefined$/],
    [() => init.xavierUniform([2, 2] as never), /^nn\.init: what is filled should be a Parameter, got \[2, ?2\]$/],
    [() => init.normal(weight, { sdt: 1 } as object), /^normal: 'sdt' is not known; did you mean 'std'\?$/],
    [() => init.uniform(weight, { a: Number.NaN }), /^uniform: a should be a number, got NaN$/],
    [() => init.constant(weight, 'x' as never), /^constant: value should be a number, got "x"$/],
    [
      () => init.orthogonal(weight, { gains: 1 } as object),
      /^orthogonal: 'gains' is not known; did you mean 'gain'\?$/,
    ],
    [
      () => init.kaimingNormal(weight, { mode: 'fan' as 'fan_in' }),
      /^kaimingNormal: mode should be one of fan_in, fan_out/,
    ],
    [() => init.calculateGain('elu' as 'relu'), /^nonlinearity should be one of linear, .* got "elu"$/],
  ])('%s', (make, message) => {
    expect(make).toThrow(GlobalPercError);
    expect(make).toThrow(message);
  });
});
