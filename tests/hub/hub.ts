/** A hub, an empty cache and a clean environment for each test. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import type { HubModel } from '../../src/hub/types.js';
import { temporaryFolder } from '../data/images.js';
import { TestHub, type TestRepo } from './server.js';

export const REPO = 'owner/name';
export const FOLDER = 'models--owner--name';
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Bytes that tell their place. */
export const content = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) % 256);

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const MODEL = content(300_000);
export const FILES = {
  'README.md': text('# A model'),
  'config.json': text('{}'),
  'onnx/model.onnx': MODEL,
  'onnx/model.onnx_data': content(2000, 1),
  'onnx/model.onnx_data_1': content(1500, 2),
  'onnx/model_quantized.onnx': content(50, 3),
  'preprocessor_config.json': text('{"size": 224}'),
};

/** What two answers for the same files share. */
export const placeOf = ({ source, preprocessor }: HubModel) => ({ source, preprocessor });

export const repoOf = (files: Readonly<Record<string, Uint8Array>>, more: Partial<TestRepo> = {}): TestRepo => ({
  refs: { main: COMMIT, 'v1.0': COMMIT, 'refs/pr/1': COMMIT },
  commits: { [COMMIT]: files },
  ...more,
});

const VARIABLES = [
  ...['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'XDG_CACHE_HOME'],
  ...['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NODE_USE_ENV_PROXY'],
];

export interface Place {
  readonly hub: TestHub;
  /** `HF_HOME` */
  home: string;
  /** The repository's folder in the cache. */
  readonly cache: string;
}

/** Starts the hub; before each test it has `FILES` alone, and the cache is a new folder. */
export function useHub(): Place {
  const root = temporaryFolder();
  const place = {
    hub: undefined as unknown as TestHub,
    home: '',
    get cache() {
      return join(this.home, 'hub', FOLDER);
    },
  };
  let tests = 0;
  beforeAll(async () => {
    place.hub = await TestHub.start();
  });
  beforeEach(() => {
    tests += 1;
    place.home = join(root, String(tests));
    place.hub.reset();
    place.hub.repos[REPO] = repoOf(FILES);
    for (const name of VARIABLES) vi.stubEnv(name, undefined);
    vi.stubEnv('HF_HOME', place.home);
    vi.stubEnv('HF_ENDPOINT', place.hub.url);
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '5');
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => place.hub.stop());
  return place;
}

/** The files and links below a folder. */
export function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
}
