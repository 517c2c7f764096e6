/** How ONNX Runtime is configured, beneath what a caller asks for. */
import type { InferenceSession } from 'onnxruntime-common';
import { platform } from '#platform';
import { REPACKED_UP_TO } from '../graph/index.js';
import type { InPlace } from '../onnx/index.js';
import { boolean, type Checks, checkOptions, integer, matching, oneOf, refused, string } from '../options/index.js';
import type { Optimizations } from './optimizations.js';
import type { Build } from './types.js';

/** Options of ONNX Runtime: threads, execution providers, optimisation level, … */
export type SessionOptions = Omit<InferenceSession.SessionOptions, 'externalData'>;

type ExecutionProviders = NonNullable<SessionOptions['executionProviders']>;

const PROVIDERS = [
  'coreml',
  'cpu',
  'cuda',
  'dml',
  'nnapi',
  'qnn',
  'tensorrt',
  'wasm',
  'webgpu',
  'webnn',
  'xnnpack',
] as const;

/** An execution provider that a session may ask for. */
export type Provider = (typeof PROVIDERS)[number];

type Named = Readonly<Record<string, never>>;

const isObject = (value: unknown): value is Named => typeof value === 'object' && value !== null;

const isExtra = (value: unknown): value is Named =>
  isObject(value) && Object.values(value).every((entry) => typeof entry === 'string' || isObject(entry));

/** Of what ONNX Runtime does not know it ignores some and refuses some, in words of several kinds. */
const CHECKS: Checks<SessionOptions> = {
  executionProviders,
  intraOpNumThreads: integer(0),
  interOpNumThreads: integer(0),
  freeDimensionOverrides: matching(isObject, 'an object'),
  graphOptimizationLevel: oneOf('disabled', 'basic', 'extended', 'layout', 'all'),
  enableCpuMemArena: boolean,
  enableMemPattern: boolean,
  executionMode: oneOf('sequential', 'parallel'),
  optimizedModelFilePath: string,
  enableProfiling: boolean,
  profileFilePrefix: string,
  logId: string,
  logSeverityLevel: matching(
    (value): value is 0 | 1 | 2 | 3 | 4 => [0, 1, 2, 3, 4].includes(value as number),
    '0 to 4',
  ),
  logVerbosityLevel: integer(0),
  preferredOutputLocation: matching((value): value is 'cpu' => value === 'cpu', "'cpu', where the results are read"),
  enableGraphCapture: boolean,
  extra: matching(isExtra, "an object of sections, e.g. { session: { disable_prepacking: '1' } }"),
};

/** Names, or objects with a name. ONNX Runtime drops those that it does not know as long as one is left. */
function executionProviders(value: unknown, where: string): ExecutionProviders {
  if (!Array.isArray(value)) throw refused(where, "a list, e.g. ['webgpu', 'cpu']", value);
  for (const [i, provider] of value.entries()) oneOf(...PROVIDERS)(provider?.name ?? provider, `${where}[${i}]`);
  return value;
}

/** The execution provider that a session prefers; options that are none are refused where it is opened. */
export function providerOf({ executionProviders }: SessionOptions): Provider {
  const first = Array.isArray(executionProviders) ? executionProviders[0] : undefined;
  const name = typeof first === 'string' ? first : first?.name;
  return name === undefined || name === 'wasm' ? 'cpu' : (name as Provider);
}

/** The build of ONNX Runtime that has it. */
export function buildOf(options: SessionOptions): Build {
  const provider = providerOf(options);
  return platform.builds.includes('webgpu') && (provider === 'webgpu' || provider === 'webnn') ? 'webgpu' : 'cpu';
}

/** Configuration entries by section and key (onnxruntime_session_options_config_keys.h). */
type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What a session is for. */
export interface Purpose {
  /** It runs once, while something is compiled: on the CPU, and no time is spent on optimisation. */
  readonly once?: boolean;
  /** Outputs that stay beside the session: where there is WebGPU, on its device. */
  readonly stay?: readonly string[];
  /** Names of nodes that the provider must leave to the CPU. */
  readonly onCpu?: readonly string[];
}

/** A session's purpose, and what is known of its graph. */
export interface Opening extends Purpose {
  /** ONNX Runtime refuses the graph where it infers another type than that declares. */
  readonly strict?: boolean;
  /** The weights that the runtime reads from their own files. */
  readonly inPlace?: InPlace | undefined;
  readonly optimizations: Optimizations;
}

/** Whether weights are used where they lie in their files, without a second copy of them. */
export const staysWhole = (inPlace: InPlace | undefined): boolean =>
  inPlace !== undefined && inPlace.bytes > REPACKED_UP_TO;

/**
 * The options of a session.
 * @throws GlobalPercError naming an option that ONNX Runtime does not know, or whose value it does not take.
 */
export function sessionOptions(
  given: SessionOptions,
  { once = false, strict = false, stay = [], onCpu = [], inPlace, optimizations }: Opening,
): SessionOptions {
  // What another provider makes of a graph depends on more than the arithmetic.
  const onCpuAlone = providerOf(given) === 'cpu';
  const entries: Entries = {
    session: {
      ...(strict && { strict_shape_type_inference: '1' }),
      ...(inPlace && { model_external_initializers_file_folder_path: inPlace.folder }),
      ...((once || staysWhole(inPlace) || (onCpuAlone && !optimizations.repacks)) && { disable_prepacking: '1' }),
    },
    optimization: { disable_specified_optimizers: optimizations.without.join(';') },
  };
  const { level } = optimizations;
  const onDevice = !once && providerOf(given) === 'webgpu' && stay.length > 0;
  return {
    // Memory patterns plan for the whole graph at once and keep forward buffers alive through the backward pass (+75 %
    // peak memory on a ViT at no gain in time).
    enableMemPattern: false,
    intraOpNumThreads: platform.threads,
    // Errors are thrown as well; what the runtime logs is not for its user.
    logSeverityLevel: 4,
    ...(level && onCpuAlone && { graphOptimizationLevel: level }),
    ...checkOptions(given, CHECKS, 'session'),
    ...(onCpu.length > 0 && { executionProviders: keepingOnCpu(given, onCpu) }),
    ...(once && { graphOptimizationLevel: 'disabled', executionProviders: ['cpu'] }),
    ...(onDevice && { preferredOutputLocation: Object.fromEntries(stay.map((name) => [name, 'gpu-buffer'])) }),
    extra: { ...given.extra, ...merged(entries, given.extra) },
  };
}

const keepingOnCpu = ({ executionProviders = [] }: SessionOptions, names: readonly string[]): ExecutionProviders =>
  executionProviders.map((provider) => {
    const option = typeof provider === 'string' ? { name: provider } : provider;
    return option.name === 'webgpu' ? { ...option, forceCpuNodeNames: names } : provider;
  });

const merged = (entries: Entries, given: SessionOptions['extra']): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(entries).map(([section, own]) => [section, { ...own, ...(given?.[section] as object | undefined) }]),
  );
