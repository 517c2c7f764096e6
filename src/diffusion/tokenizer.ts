/** CLIP's tokenizer: byte pairs within words (https://huggingface.co/docs/transformers/model_doc/clip#transformers.CLIPTokenizer). */
import { GlobalPercError } from '../graph/index.js';
import { type Checks, checkOptions, count, isObject, listOf, matching, required, string } from '../options/index.js';

/** Options of CLIPTokenizer, the content of a tokenizer's files. */
export interface CLIPTokenizerOptions {
  /** Numbers of tokens, `vocab.json`. */
  readonly vocab: Readonly<Record<string, number>>;
  /** Pairs that become one token, the first ones first: the lines of `merges.txt`, or the lists of a `tokenizer.json`. */
  readonly merges: readonly (string | readonly [string, string])[];
  /** Tokens of a text, those around it included. Default 77. */
  readonly modelMaxLength?: number;
  /** What fills a shorter text. Default `<|endoftext|>`; `!` in Stable Diffusion 2. */
  readonly padToken?: string;
}

const isPair = (value: unknown): value is string | readonly [string, string] =>
  typeof value === 'string' || (Array.isArray(value) && value.length === 2);

const checks: Checks<CLIPTokenizerOptions> = {
  vocab: required(matching((value): value is Record<string, number> => isObject(value), 'the content of vocab.json')),
  merges: required(listOf(matching(isPair, 'two tokens, such as "t h"'))),
  modelMaxLength: count,
  padToken: string,
};

/** Texts as numbers of tokens. */
export interface Tokens {
  /** `[texts, modelMaxLength]` */
  readonly dims: readonly [number, number];
  readonly data: BigInt64Array;
}

const START = '<|startoftext|>';
const END = '<|endoftext|>';

/** What ends a word. */
const SUFFIX = '</w>';

const WORDS = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;

/** A character for each byte: itself where it is printed, one beyond 255 where it is not, as GPT-2 has it. */
const BYTES: readonly string[] = (() => {
  let next = 256;
  const isPrinted = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  return Array.from({ length: 256 }, (_, byte) => {
    if (isPrinted(byte)) return String.fromCharCode(byte);
    next += 1;
    return String.fromCharCode(next - 1);
  });
})();

/** Texts as CLIP's text encoder takes them: lower case, cut off at `modelMaxLength`, padded to it. */
export class CLIPTokenizer {
  readonly modelMaxLength: number;
  private readonly vocab: ReadonlyMap<string, number>;
  /** Place of each pair among the merges. */
  private readonly ranks: ReadonlyMap<string, number>;
  private readonly start: number;
  private readonly end: number;
  private readonly pad: number;

  /** @throws GlobalPercError on an option that is missing or wrong, and for a vocabulary without the tokens that it needs. */
  constructor(options: CLIPTokenizerOptions) {
    const { vocab, merges, modelMaxLength = 77, padToken = END } = checkOptions(options, checks, 'CLIPTokenizer');
    this.modelMaxLength = modelMaxLength;
    this.vocab = new Map(Object.entries(vocab));
    const pairs = merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')));
    // merges.txt begins with its version.
    const lines = pairs.filter((pair) => pair !== '' && !pair.startsWith('#version'));
    this.ranks = new Map(lines.map((pair, i) => [pair, i]));
    [this.start, this.end, this.pad] = [START, END, padToken].map((token) => this.numberOf(token)) as [
      number,
      number,
      number,
    ];
  }

  private numberOf(token: string): number {
    const found = this.vocab.get(token);
    if (found !== undefined) return found;
    throw new GlobalPercError(`CLIPTokenizer: the vocabulary has no '${token}'; is it that of a CLIP tokenizer?`, {
      code: 'invalid-file',
    });
  }

  /** Numbers of tokens, for `CLIPTextModel`. @throws GlobalPercError for what are no texts. */
  encode(texts: readonly string[]): Tokens {
    const rows = listOf(string)(texts, 'CLIPTokenizer.encode: texts').map((text) => this.row(text));
    return { dims: [rows.length, this.modelMaxLength], data: BigInt64Array.from(rows.flat(), BigInt) };
  }

  private row(text: string): number[] {
    const found = this.normalized(text).flatMap((word) => this.tokensOf(word));
    const row = [this.start, ...found.slice(0, this.modelMaxLength - 2), this.end];
    return [...row, ...Array<number>(this.modelMaxLength - row.length).fill(this.pad)];
  }

  /** The words of a text: composed characters, one kind of space, lower case, character by character. */
  private normalized(text: string): string[] {
    const plain = text.normalize('NFC').replace(/\s+/gu, ' ');
    const lower = Array.from(plain, (character) => character.toLowerCase()).join('');
    return lower.match(WORDS) ?? [];
  }

  private tokensOf(word: string): number[] {
    if (word === START || word === END) return [this.numberOf(word)];
    const letters = Array.from(new TextEncoder().encode(word), (byte) => BYTES[byte] as string);
    const parts = this.merged([...letters.slice(0, -1), `${letters.at(-1)}${SUFFIX}`]);
    return parts.map((part) => this.vocab.get(part) ?? this.end);
  }

  /** Joins the pair that stands first among the merges, wherever it stands in the word, until there is none. */
  private merged(parts: readonly string[]): readonly string[] {
    const ranks = parts.slice(1).map((part, i) => this.ranks.get(`${parts[i]} ${part}`) ?? Number.POSITIVE_INFINITY);
    const best = Math.min(...ranks);
    if (!Number.isFinite(best)) return parts;
    const joined: string[] = [];
    for (let i = 0; i < parts.length; i += 1) {
      const isPair = ranks[i] === best;
      joined.push(isPair ? `${parts[i]}${parts[i + 1]}` : (parts[i] as string));
      if (isPair) i += 1;
    }
    return this.merged(joined);
  }
}
