/** Users of the packages: a folder of their own, into which they install what was packed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const TEMPORARY = mkdtempSync(join(tmpdir(), 'globalperc-package-'));
export const removeAll = (): void => rmSync(TEMPORARY, { recursive: true, force: true });

/** Not what the npm that runs the tests says of this repository; and no CUDA from elsewhere. */
const ENVIRONMENT = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(name)),
  ),
  ONNXRUNTIME_NODE_INSTALL: 'skip',
};

export interface Packed {
  readonly path: string;
  readonly files: readonly string[];
  text(file: string): string;
}

/** Packs a folder as `npm publish` does. */
export function pack(folder: string): Packed {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  execFileSync('npm', ['pack', '--pack-destination', TEMPORARY], { cwd: folder, env: ENVIRONMENT, stdio: 'pipe' });
  const path = join(TEMPORARY, `${name}-${version}.tgz`);
  const tar = (...args: string[]): string => execFileSync('tar', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const files = tar('-tzf', path).trim().split('\n');
  return {
    path,
    files: files.map((file) => file.replace(/^package\//, '')),
    text: (file) => tar('-xOzf', path, `package/${file}`),
  };
}

/** Lines on stdout and stderr, and the exit code. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly code: number | null;
}

export function runIn(cwd: string, command: string, args: readonly string[]): Outcome {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, env: ENVIRONMENT, encoding: 'utf8' });
  return { lines: `${stdout}${stderr}`.trim().split('\n'), code: status };
}

export class Consumer {
  readonly folder: string;

  /** @param wanted what is installed into the folder, which is empty before */
  constructor(name: string, wanted: readonly string[]) {
    this.folder = join(TEMPORARY, name);
    mkdirSync(this.folder);
    this.write('package.json', JSON.stringify({ name, private: true, type: 'module' }));
    execFileSync('npm', ['install', '--no-audit', '--no-fund', ...wanted], {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: 'pipe',
    });
  }

  write(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.folder, name), content);
  }

  /** Names of everything that was installed. */
  get packages(): string[] {
    const list = execFileSync('npm', ['ls', '--all', '--parseable'], { cwd: this.folder, env: ENVIRONMENT });
    const paths = list.toString().trim().split('\n').slice(1);
    return paths.map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)).sort();
  }

  run(command: string, ...args: string[]): Outcome {
    return runIn(this.folder, command, args);
  }
}
