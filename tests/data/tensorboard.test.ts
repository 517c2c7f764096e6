/** Event files, against those that TensorBoard's own protocol buffers and record writer make. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  eventOf,
  fileVersion,
  picture,
  record,
  scalar,
  started,
  summary,
  TensorBoardLogger,
  text,
} from '../../src/data/tensorboard.js';

const stored = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../fixtures/data/tensorboard/${name}`, import.meta.url));
const SECONDS = 1700000000.25;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'globalperc-tensorboard-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('writes the bytes that TensorBoard writes', async () => {
  const png = await stored('picture.png');
  const events = [
    eventOf(SECONDS, 0, fileVersion),
    eventOf(SECONDS, 300, started),
    eventOf(SECONDS, 0, (event) => summary(event, (value) => text(value, 'config', '**lr** 0.1 β'))),
    eventOf(SECONDS, 1, (event) =>
      summary(
        event,
        (value) => scalar(value, 'loss', 0.1),
        (value) => scalar(value, 'hooks/features.3', -2.5),
        (value) => scalar(value, 'lr', 0),
      ),
    ),
    eventOf(SECONDS, 2 ** 40, (event) => summary(event, (value) => picture(value, 'samples', png))),
  ];
  expect(Buffer.concat(events.map(record))).toEqual(await stored('events.bin'));
});

/** The lengths of the records in a file, which must fill it. */
function lengthsIn(bytes: Buffer): number[] {
  const lengths: number[] = [];
  let at = 0;
  for (; at < bytes.length; at += 16 + (lengths.at(-1) as number)) lengths.push(Number(bytes.readBigUInt64LE(at)));
  expect(at).toBe(bytes.length);
  return lengths;
}

it('appends what was taken to a file of its own', async () => {
  const [one, other] = [new TensorBoardLogger(join(folder, 'run')), new TensorBoardLogger(join(folder, 'run'))];
  one.scalars(1, { loss: 0.5 });
  await one.flush();
  expect(lengthsIn(await readFile(one.path))).toHaveLength(2);
  one.scalars(2, { loss: 0.25 });
  one.image(2, 'samples', await stored('picture.png'));
  await Promise.all([one.flush(), one.flush()]);
  expect(lengthsIn(await readFile(one.path))).toHaveLength(4);
  await other.flush();
  expect(await readdir(join(folder, 'run'))).toHaveLength(2);
});

it('begins with what the run was made with, and with the step that it goes on from', async () => {
  const logger = new TensorBoardLogger(folder, { from: 7, about: '**a**' });
  await logger.flush();
  const bytes = await readFile(logger.path);
  expect(lengthsIn(bytes)).toHaveLength(3);
  expect(bytes.includes('**a**')).toBe(true);
});

it('says where it cannot write', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  await expect(new TensorBoardLogger(file).flush()).rejects.toMatchObject({ code: 'io' });
});

it.each([
  [
    'an unknown option',
    () => new TensorBoardLogger(folder, { form: 3 } as never),
    "'form' is not known; did you mean 'from'?",
  ],
  ['no folder', () => new TensorBoardLogger(undefined as never), 'TensorBoardLogger: folder'],
])('refuses %s', (_what, make, message) => {
  expect(make).toThrow(message);
});

it('comes behind the files that are there, though the clock was set back', async () => {
  const run = join(folder, 'later');
  await mkdir(run);
  for (const name of ['events.out.tfevents.9000000000.host.1.0', 'log.jsonl']) await writeFile(join(run, name), '');
  expect(basename(new TensorBoardLogger(run).path)).toMatch(/^events\.out\.tfevents\.9000000001\./);
});
