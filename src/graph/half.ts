/** Numbers of half precision: float16 (IEEE 754 binary16) and bfloat16. */
import { bytesOf, type ConstantData, type DataType, typedArray } from './types.js';

const KINDS = 2 ** 16;

/** The value of every float16. */
let known: Float32Array | undefined;

function allValues(): Float32Array {
  // Powers are slow to compute, and there are but 32.
  const scales = Array.from({ length: 0x20 }, (_, exponent) => 2 ** (exponent - 25));
  return Float32Array.from({ length: KINDS }, (_, bits) => halfToNumber(bits, scales));
}

/**
 * The value of each float16, given as its bits: exact, as float32 holds them all.
 * @param values where they are put, as many.
 */
export function halvesToFloats(halves: Uint16Array, values = new Float32Array(halves.length)): Float32Array {
  known ??= allValues();
  for (let i = 0; i < halves.length; i += 1) values[i] = known[halves[i] as number] as number;
  return values;
}

/** The bits of the float16 that is next to each value, of two as near the even one; beyond ±65504 that may be infinity. */
export function floatsToHalves(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i += 1) halves[i] = floatToHalf(bits[i] as number, values[i] as number);
  return halves;
}

/** Bits of float32: 65520, from where on infinity is as near as 65504; infinity; 2^-14, the smallest float16 that is normal. */
const [OVERFLOW, INFINITE, NORMAL] = [0x477ff000, 0x7f800000, 0x38800000];

function floatToHalf(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INFINITE) return sign | 0x7e00;
  if (magnitude >= OVERFLOW) return sign | 0x7c00;
  if (magnitude < NORMAL) return sign | roundedToEven(Math.abs(value) * 2 ** 24);
  // Exponents differ by 112; half a unit of the last place is added, less where the last bit is 0.
  return sign | ((magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13);
}

function roundedToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The value of a float16: one sign bit, five of the exponent, ten of the fraction. */
function halfToNumber(bits: number, scales: readonly number[]): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * (scales[exponent] as number);
}

/** The value of each bfloat16, given as its bits: the upper half of a float32. */
export function brainsToFloats(brains: Uint16Array): Float32Array {
  const bits = new Uint32Array(brains);
  for (let i = 0; i < bits.length; i += 1) bits[i] = (bits[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

const isHalf = (dtype: DataType): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The type that stands for another. */
export const wide = (dtype: DataType): DataType => (isHalf(dtype) ? 'float32' : dtype);

/** A constant with float32 in place of half precision; what lies in a file is read, and widened, whenever it is asked for. */
export function widened(constant: ConstantData): ConstantData {
  if (!isHalf(constant.dtype)) return constant;
  const type = { dtype: 'float32', shape: constant.shape } as const;
  const bytes = (): Uint8Array => bytesOf(floatsOf(constant));
  if (constant.place === undefined) return { ...type, bytes: bytes() };
  return {
    ...type,
    of: constant,
    get bytes() {
      return bytes();
    },
  };
}

function floatsOf({ dtype, bytes }: ConstantData): Float32Array {
  const halves = typedArray(dtype, bytes) as Uint16Array;
  if (dtype === 'float16') return halvesToFloats(halves);
  return brainsToFloats(halves);
}
