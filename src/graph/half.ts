/** Numbers of half precision (IEEE 754 binary16). */

/** The value of each float16, given as its bits: exact, as float32 holds them all. */
export function halvesToFloats(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  // Powers are slow to compute, and there are but 32.
  const scales = Array.from({ length: 0x20 }, (_, exponent) => 2 ** (exponent - 25));
  for (let i = 0; i < halves.length; i += 1) values[i] = halfToNumber(halves[i] as number, scales);
  return values;
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
