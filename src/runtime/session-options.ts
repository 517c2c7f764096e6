/** How ONNX Runtime is configured, beneath what a caller asks for. */
import type { InferenceSession } from 'onnxruntime-common';
import { platform } from '#platform';
import type { OnnxModel } from '../onnx/index.js';

/** Options of ONNX Runtime: threads, execution providers, optimisation level, … */
export type SessionOptions = InferenceSession.SessionOptions;

/** From this size on, weights are used where the system maps them: copies in the kernels' layout would double the memory. */
const REPACKED_UP_TO = 2 ** 30;

/** Optimisations of ONNX Runtime that are left out. */
const NOT_APPLIED = [
  // Its time grows with the square of the number of nodes (12 of 18 s for a ViT with 61 hooks), and it finds nothing.
  'CommonSubexpressionElimination',
  // It gives a MaxPool the zeros of a Pad as a padding (seen in 1.30), which loses against negative numbers.
  'Pad_Fusion',
];

/** Configuration entries by section and key (onnxruntime_session_options_config_keys.h). */
type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * The options of a session.
 * @param inPlace The weights that the runtime reads from their own files.
 * @param once The session runs once: no time is spent on optimisation.
 */
export function sessionOptions(given: SessionOptions, inPlace: OnnxModel['inPlace'], once: boolean): SessionOptions {
  const entries: Entries = {
    session: {
      ...(inPlace && { model_external_initializers_file_folder_path: inPlace.folder }),
      ...((once || (inPlace && inPlace.bytes > REPACKED_UP_TO)) && { disable_prepacking: '1' }),
    },
    optimization: { disable_specified_optimizers: NOT_APPLIED.join(';') },
  };
  return {
    // Memory patterns plan for the whole graph at once and keep forward buffers alive through the backward pass (+75 %
    // peak memory on a ViT at no gain in time).
    enableMemPattern: false,
    intraOpNumThreads: platform.threads,
    // Errors are thrown as well; what the runtime logs is not for its user.
    logSeverityLevel: 4,
    ...given,
    ...(once && { graphOptimizationLevel: 'disabled' }),
    extra: { ...given.extra, ...merged(entries, given.extra) },
  };
}

const merged = (entries: Entries, given: SessionOptions['extra']): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(entries).map(([section, own]) => [section, { ...own, ...(given?.[section] as object | undefined) }]),
  );
