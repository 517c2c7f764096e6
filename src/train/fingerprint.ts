/** What tells the frozen weights of a run from others: a checkpoint does not hold them. */
import { byteLengthOf, type ConstantData, GlobalPercError, listed } from '../graph/index.js';
import { type AnyModule, constantOfHeld, type Parameter } from '../nn/index.js';
import type { TrainedWeights } from './state.js';

/** Digests by path. */
export type Fingerprints = Readonly<Record<string, string>>;

/** So many pieces of so many bytes are looked at, spread over a weight: trained weights differ everywhere. */
const [PIECES, BYTES] = [8, 512];

/** Digests of the frozen weights of a student; those that lie in files are not read whole. */
export function fingerprintsOf(student: AnyModule, weights: TrainedWeights): Fingerprints {
  const frozen = Array.from(student.namedParameters()).filter(([, held]) => !weights.carries(held));
  return Object.fromEntries(frozen.map(([path, held]) => [path, digestOf(constantOfHeld(held as Parameter))]));
}

function digestOf(constant: ConstantData): string {
  const length = byteLengthOf(constant);
  const whole = constant.of ?? constant;
  const size = byteLengthOf(whole);
  const read = partsOf(whole);
  let hash = fnv(0x811c9dc5, new TextEncoder().encode(`${constant.shape} ${length}`));
  const step = Math.max(Math.floor(size / PIECES), BYTES);
  for (let at = 0; at < size; at += step) hash = fnv(hash, read(at, Math.min(BYTES, size - at)));
  return hash.toString(16).padStart(8, '0');
}

function partsOf(constant: ConstantData): (offset: number, length: number) => Uint8Array {
  if (constant.part) return constant.part;
  const { bytes } = constant;
  return (offset, length) => bytes.subarray(offset, offset + length);
}

/** FNV-1a of 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
function fnv(hash: number, bytes: Uint8Array): number {
  let value = hash;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** @throws GlobalPercError naming the weights that are others than those of the run. */
export function requireSameFrozen(found: Fingerprints, own: Fingerprints, source: string): void {
  const paths = Object.keys(own).filter((path) => found[path] !== undefined);
  const others = paths.filter((path) => found[path] !== own[path]);
  if (others.length === 0) return;
  throw new GlobalPercError(
    `${source} was trained beside other frozen weights: ${others.length} of ${paths.length} differ, ${listed(others)}; go on with the model that the run began with`,
    { code: 'invalid-file' },
  );
}
