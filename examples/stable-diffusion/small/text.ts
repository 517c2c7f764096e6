/**
 * The text side: CLIP's tokeniser over the words of the captions, and a text encoder of CLIP's kind with random weights. It tells
 * captions apart, which is all that seven of them can teach; what they mean, the U-Net's own projections learn. A table of states would
 * do as well, and no command that takes Stable Diffusion would take it.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nn } from 'globalperc';
import { CLIPTextModel } from 'globalperc/diffusion';
import { writeJson, writePart } from './training.ts';

/** Features of a token, and tokens of a text. */
export const [FEATURES, LENGTH] = [64, 10];

/** Vocabulary and merges of texts: letters, and every word of the texts, put together from left to right. */
function wordsOf(texts: readonly string[]): {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly string[];
} {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const tokens = new Set([...letters, ...letters.map((letter) => `${letter}</w>`)]);
  const merges = new Set<string>();
  for (const word of texts.flatMap((text) => text.split(' '))) {
    const [first = '', ...rest] = [...word.slice(0, -1), `${word.at(-1)}</w>`];
    rest.reduce((beginning, letter) => {
      merges.add(`${beginning} ${letter}`);
      tokens.add(beginning + letter);
      return beginning + letter;
    }, first);
  }
  const all = [...tokens, '<|startoftext|>', '<|endoftext|>'];
  return { vocab: Object.fromEntries(all.map((token, i) => [token, i])), merges: [...merges] };
}

/** Writes `tokenizer/` and `text_encoder/` of a pipeline. */
export async function writeText(pipeline: string, captions: readonly string[]): Promise<void> {
  const { vocab, merges } = wordsOf(captions);
  const tokenizer = join(pipeline, 'tokenizer');
  await writeJson(join(tokenizer, 'vocab.json'), vocab);
  await writeFile(join(tokenizer, 'merges.txt'), `#version: 0.2\n${merges.join('\n')}\n`);
  await writeJson(join(tokenizer, 'tokenizer_config.json'), { model_max_length: LENGTH, pad_token: '<|endoftext|>' });
  const config = {
    model_type: 'clip_text_model',
    vocab_size: Object.keys(vocab).length,
    bos_token_id: vocab['<|startoftext|>'],
    eos_token_id: vocab['<|endoftext|>'],
    hidden_size: FEATURES,
    intermediate_size: 2 * FEATURES,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    max_position_embeddings: LENGTH,
  };
  nn.manualSeed(1);
  await writePart(join(pipeline, 'text_encoder'), config, CLIPTextModel.fromConfig(config), 'model');
}
