/** CLIP's tokenizer against transformers'. See `fixtures/make_diffusion_models.py`. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIPTokenizer, PipelineFolder } from '../../src/diffusion/index.js';

const data = fileURLToPath(new URL('../../fixtures/data/diffusion', import.meta.url));
const cases: { text: string; ids: number[] }[] = JSON.parse(await readFile(`${data}/tokens.json`, 'utf8'));
const read = (name: string): Promise<string> => readFile(`${data}/pipeline/tokenizer/${name}`, 'utf8');

let tokenizer: CLIPTokenizer;
beforeAll(async () => {
  const merges = (await read('merges.txt')).split('\n');
  tokenizer = new CLIPTokenizer({ vocab: JSON.parse(await read('vocab.json')), merges, modelMaxLength: 24 });
});

it.each(cases)('$text', ({ text, ids }) => {
  expect(Array.from(tokenizer.encode([text]).data, Number)).toEqual(ids);
});

it('takes several texts', () => {
  const { dims, data: found } = tokenizer.encode(['a', 'b']);
  expect([dims, found.length]).toEqual([[2, 24], 48]);
});

describe('in a folder', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
  const copy = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
    folders.push(folder);
    await cp(`${data}/pipeline`, folder, { recursive: true });
    return folder;
  };

  it('is of vocab.json and merges.txt, or of tokenizer.json', async () => {
    const folder = await copy();
    const first = await (await PipelineFolder.open(folder)).tokenizer();
    expect(first.modelMaxLength).toBe(9);
    const merges = (await read('merges.txt')).trim().split('\n').slice(1);
    const model = { vocab: JSON.parse(await read('vocab.json')), merges: merges.map((pair) => pair.split(' ')) };
    await rm(join(folder, 'tokenizer/vocab.json'));
    await writeFile(join(folder, 'tokenizer/tokenizer.json'), JSON.stringify({ model }));
    const second = await (await PipelineFolder.open(folder)).tokenizer();
    const texts = ['a red fox', 'photograph'];
    expect(second.encode(texts)).toEqual(first.encode(texts));
  });

  it('is missing, or another kind', async () => {
    const folder = await copy();
    await writeFile(join(folder, 'tokenizer/vocab.json'), '{"a": 1}');
    const pipeline = await PipelineFolder.open(folder);
    await expect(pipeline.tokenizer()).rejects.toThrow("the vocabulary has no '<|startoftext|>'");
    await rm(join(folder, 'tokenizer/vocab.json'));
    await expect(pipeline.tokenizer()).rejects.toThrow('has no vocab.json with merges.txt, and no tokenizer.json');
  });
});
