/** `globalperc studio`: the page that shows losses at work, on this machine. */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { GlobalPercError } from '../index.js';
import { parseInteger } from './common.js';
import { note } from './progress.js';
import { runsIn } from './studio-runs.js';
import { type StudioServer, serveStudio } from './studio-server.js';

interface Options {
  readonly port: string;
  readonly open: boolean;
}

/** Always the same: what a page keeps, it keeps by its address, port included. */
const PORT = '7676';
const MOST_PORT = 65_535;

const PAGE = fileURLToPath(new URL('../studio/', import.meta.url));
const NETWORKS = fileURLToPath(new URL('../../assets/', import.meta.url));

export function addStudio(program: Command): void {
  program
    .command('studio')
    .description('look at losses, descend them, train and follow runs, in a page on this machine; Ctrl-C ends it')
    .argument('[RUN...]', 'folders of train or demo to follow')
    .option('--port <NUMBER>', 'port on localhost; 0: any that is free', PORT)
    .option('--no-open', 'do not open the browser')
    .action(run);
}

async function run(folders: readonly string[], { port, open }: Options): Promise<void> {
  const { url } = await startStudio(folders, parseInteger(port, '--port', 0, MOST_PORT));
  const address = folders.length > 0 ? `${url}#runs` : url;
  process.stdout.write(`${address}\n`);
  note('Ctrl-C ends it');
  if (open) openInBrowser(address);
}

/**
 * Serves the page with some runs.
 * @param page The built page.
 * @throws GlobalPercError when a folder holds no run, the page is not built, or the port cannot be had.
 */
export async function startStudio(folders: readonly string[], port: number, page = PAGE): Promise<StudioServer> {
  const runs = (await Promise.all(folders.map(runsIn))).flat();
  await requirePage(page);
  return serveStudio({ page, networks: NETWORKS, runtime: runtimeFolder(), runs }, port);
}

/** The folder of onnxruntime-web's files, where it is installed. */
function runtimeFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
  } catch {
    return undefined;
  }
}

async function requirePage(page: string): Promise<void> {
  if (await stat(join(page, 'index.html')).catch(() => undefined)) return;
  throw new GlobalPercError(
    `the page is not built: there is no '${join(page, 'index.html')}'; npm run build:studio makes it`,
    {
      code: 'io',
    },
  );
}

/** By the system's own means. Where it has none, the address is printed all the same. */
function openInBrowser(url: string): void {
  const commands: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
    darwin: ['open', url],
    win32: ['rundll32', 'url.dll,FileProtocolHandler', url],
  };
  const [command, ...rest] = commands[process.platform] ?? ['xdg-open', url];
  const child = spawn(command, rest, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
