/** Colours of an ICC profile in sRGB, without rounding (https://www.color.org/specification/ICC.1-2022-05.pdf). */
import { GlobalPercError } from '../graph/index.js';

/** Bytes of the header, and of an entry in the table of tags behind it. */
const [HEADER, ENTRY] = [128, 12];

/** XYZ of white D50 to linear sRGB (http://www.brucelindbloom.com/index.html?Eqn_RGB_XYZ_Matrix.html, adapted by Bradford). */
const XYZ_TO_SRGB = [
  [3.1338561, -1.6168667, -0.4906146],
  [-0.9787684, 1.9161415, 0.033454],
  [0.0719453, -0.2289914, 1.4052427],
] as const;

/** Light that a sample stands for, both in [0, 1]. */
type Curve = (sample: number) => number;

/** How a profile describes a colour: a curve per channel, and for RGB what each channel's light adds to red, green and blue of sRGB. */
interface Profile {
  readonly curves: readonly Curve[];
  readonly matrix?: readonly (readonly number[])[];
}

/**
 * Converts samples to sRGB in place; colours outside sRGB are clipped per channel. A profile that is damaged or made for
 * other channels is ignored, as LittleCMS does.
 * @param samples [H, W, 3] in [0, 1]; grey has three equal channels.
 * @param grey true when the file's samples are grey.
 * @throws GlobalPercError when the profile is a table of colours instead of curves and a matrix.
 */
export function applyProfile(icc: Uint8Array, samples: Float32Array, grey: boolean): void {
  const profile = parseProfile(icc, grey);
  if (profile === undefined) return;
  const { curves, matrix } = profile;
  const light = [0, 0, 0];
  for (let i = 0; i < samples.length; i += 3) {
    for (let channel = 0; channel < 3; channel += 1) {
      light[channel] = (curves[channel % curves.length] as Curve)(samples[i + channel] as number);
    }
    for (let channel = 0; channel < 3; channel += 1) {
      const mixed = matrix ? dot(matrix[channel] as readonly number[], light) : (light[channel] as number);
      samples[i + channel] = encoded(mixed);
    }
  }
}

const dot = (row: readonly number[], column: readonly number[]): number =>
  row.reduce((sum, factor, i) => sum + factor * (column[i] as number), 0);

/** The curve of sRGB from light to samples (IEC 61966-2-1). */
function encoded(light: number): number {
  if (light <= 0.0031308) return 12.92 * Math.max(light, 0);
  return Math.min(1.055 * light ** (1 / 2.4) - 0.055, 1);
}

function parseProfile(icc: Uint8Array, grey: boolean): Profile | undefined {
  const tags = tagsOf(icc, grey ? 'GRAY' : 'RGB ');
  if (tags === undefined) return undefined;
  const curves = (grey ? ['kTRC'] : ['rTRC', 'gTRC', 'bTRC']).map((name) => curveOf(tags.get(name)));
  const columns = grey ? [] : ['rXYZ', 'gXYZ', 'bXYZ'].map((name) => xyzOf(tags.get(name)));
  if ([...curves, ...columns].includes(undefined)) {
    throw new GlobalPercError(
      'its colour profile is not made of curves and a matrix, which is read for 8-bit images only; convert it to sRGB',
      { code: 'invalid-file' },
    );
  }
  if (grey) return { curves: curves as Curve[] };
  const matrix = XYZ_TO_SRGB.map((row) => columns.map((column) => dot(row, column as readonly number[])));
  // The numbers of a profile are rounded; where its primaries are those of sRGB, black stays black.
  return isIdentity(matrix) ? { curves: curves as Curve[] } : { curves: curves as Curve[], matrix };
}

const isIdentity = (matrix: readonly (readonly number[])[]): boolean =>
  matrix.every((row, i) => row.every((value, j) => Math.abs(value - (i === j ? 1 : 0)) < 1e-3));

/** The data of each tag; undefined when the profile is damaged or for another kind of colours. */
function tagsOf(icc: Uint8Array, space: string): Map<string, DataView> | undefined {
  const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
  const text = (at: number): string => String.fromCharCode(...icc.subarray(at, at + 4));
  if (icc.length < HEADER + 4 || text(36) !== 'acsp' || text(16) !== space) return undefined;
  const tags = new Map<string, DataView>();
  const count = view.getUint32(HEADER);
  for (let i = 0; i < count; i += 1) {
    const at = HEADER + 4 + ENTRY * i;
    if (at + ENTRY > icc.length) return undefined;
    const [begin, length] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (begin + length > icc.length) return undefined;
    tags.set(text(at), new DataView(icc.buffer, icc.byteOffset + begin, length));
  }
  return tags;
}

const fixed = (data: DataView, at: number): number => data.getInt32(at) / 65536;

function xyzOf(data: DataView | undefined): readonly number[] | undefined {
  return data && data.byteLength >= 20 ? [8, 12, 16].map((at) => fixed(data, at)) : undefined;
}

function curveOf(data: DataView | undefined): Curve | undefined {
  if (data === undefined || data.byteLength < 12) return undefined;
  const type = data.getUint32(0);
  if (type === 0x63757276) return sampledCurve(data);
  return type === 0x70617261 ? parametricCurve(data) : undefined;
}

/** `curv`: nothing is a straight line, one number an exponent, more are values at equal distances. */
function sampledCurve(data: DataView): Curve | undefined {
  const count = data.getUint32(8);
  if (data.byteLength < 12 + 2 * count) return undefined;
  if (count === 0) return (x) => x;
  if (count === 1) return (x) => x ** (data.getUint16(12) / 256);
  const values = Float64Array.from({ length: count }, (_, i) => data.getUint16(12 + 2 * i) / 65535);
  return (x) => {
    const place = x * (count - 1);
    const before = Math.min(Math.floor(place), count - 2);
    const [low, high] = [values[before] as number, values[before + 1] as number];
    return low + (high - low) * (place - before);
  };
}

/** `para`: (a·x + b)^g + e from x = d on, c·x + f below; simpler types leave the later parameters out. */
function parametricCurve(data: DataView): Curve | undefined {
  const type = data.getUint16(8);
  const count = [1, 3, 4, 5, 7][type];
  if (count === undefined || data.byteLength < 12 + 4 * count) return undefined;
  const [g, a = 1, b = 0, ...rest] = Array.from({ length: count }, (_, i) => fixed(data, 12 + 4 * i)) as [
    number,
    ...number[],
  ];
  // Types 1 and 2 begin where a·x + b is 0, and are constant below.
  const [c, d, e, f] =
    type < 3 ? [0, -b / a, rest[0] ?? 0, rest[0] ?? 0] : ([...rest, 0, 0] as [number, number, number, number]);
  return (x) => (x >= d ? Math.max(a * x + b, 0) ** g + e : c * x + f);
}
