/** What ONNX Runtime is told beneath what a caller asks for. */
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { providerOf, type SessionOptions, sessionOptions } from '../../src/runtime/session-options.js';

const optimizations = { level: undefined, without: ['A', 'B'], repacks: true } as const;
const optimization = { disable_specified_optimizers: 'A;B' };
const defaults = { enableMemPattern: false, intraOpNumThreads: availableParallelism(), logSeverityLevel: 4 };
const inPlace = (bytes: number) => ({ folder: '/weights', files: {}, bytes });
const beside = { model_external_initializers_file_folder_path: '/weights' };
const unpacked = { disable_prepacking: '1' };

it.each<[what: string, given: SessionOptions, place: ReturnType<typeof inPlace> | undefined, boolean, object]>([
  ['by default', {}, undefined, false, { extra: { session: {}, optimization } }],
  [
    'for one run',
    {},
    undefined,
    true,
    { graphOptimizationLevel: 'disabled', executionProviders: ['cpu'], extra: { session: unpacked, optimization } },
  ],
  ['of weights in files', {}, inPlace(2 ** 30), false, { extra: { session: beside, optimization } }],
  [
    'of large weights in files',
    {},
    inPlace(2 ** 30 + 1),
    false,
    { extra: { session: { ...beside, ...unpacked }, optimization } },
  ],
  [
    'with what is given',
    {
      enableMemPattern: true,
      intraOpNumThreads: 0,
      logSeverityLevel: 2,
      preferredOutputLocation: 'cpu',
      executionProviders: ['cpu', { name: 'cuda' }],
      freeDimensionOverrides: { n: 1 },
      extra: { session: { a: 'b' }, mine: 'c', optimization: { disable_specified_optimizers: 'none' } },
    },
    inPlace(1),
    false,
    {
      enableMemPattern: true,
      intraOpNumThreads: 0,
      logSeverityLevel: 2,
      preferredOutputLocation: 'cpu',
      executionProviders: ['cpu', { name: 'cuda' }],
      freeDimensionOverrides: { n: 1 },
      extra: { session: { ...beside, a: 'b' }, mine: 'c', optimization: { disable_specified_optimizers: 'none' } },
    },
  ],
])('%s', (_what, given, place, once, expected) => {
  expect(sessionOptions(given, { once, inPlace: place, optimizations })).toEqual({ ...defaults, ...expected });
});

it('where a graph declares all types', () => {
  const { extra } = sessionOptions({}, { strict: true, optimizations });
  expect(extra).toEqual({ session: { strict_shape_type_inference: '1' }, optimization });
});

it.each([
  ['a provider that is none', { executionProviders: [null] }, 'session: executionProviders[0] should be one of'],
  ['no dimensions', { freeDimensionOverrides: null }, 'session: freeDimensionOverrides should be an object, got null'],
  ['one wrong section of two', { extra: { a: {}, b: 3 } }, 'session: extra should be an object of sections'],
])('refuses %s', (_what, given, message) => {
  expect(() => sessionOptions(given as never, { optimizations })).toThrow(
    expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
  );
});

it('keeps on the device what stays there, and from it what it must not take', () => {
  const given = { executionProviders: ['webgpu', 'cpu'] } as const;
  expect(sessionOptions(given, { stay: ['w'], onCpu: ['a', 'b'], optimizations })).toMatchObject({
    preferredOutputLocation: { w: 'gpu-buffer' },
    executionProviders: [{ name: 'webgpu', forceCpuNodeNames: ['a', 'b'] }, 'cpu'],
  });
  expect(sessionOptions({}, { stay: ['w'], optimizations })).not.toHaveProperty('preferredOutputLocation');
});

it.each<[provider: string, options: SessionOptions]>([
  ['cpu', {}],
  ['cpu', { executionProviders: [] }],
  ['cpu', { executionProviders: ['wasm'] }],
  ['webgpu', { executionProviders: [{ name: 'webgpu' }, 'cpu'] }],
  ['cpu', { executionProviders: null as never }],
])('prefers %s by %j', (provider, options) => {
  expect(providerOf(options)).toBe(provider);
});

it.each<[provider: string, options: SessionOptions, level: string | undefined, session: object]>([
  ['the CPU', {}, 'disabled', unpacked],
  ['the CPU, where the caller wants more', { graphOptimizationLevel: 'all' }, 'all', unpacked],
  ['another provider', { executionProviders: ['webgpu'] }, undefined, {}],
])('of a graph that is not worth optimisations and other weights on %s', (_provider, options, level, session) => {
  const opened = sessionOptions(options, { optimizations: { level: 'disabled', without: [], repacks: false } });
  expect(opened.graphOptimizationLevel).toBe(level);
  expect(opened.extra?.session).toEqual(session);
});
