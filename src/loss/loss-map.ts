/** What `Loss.map` gives: where in the image a loss arises. */
import { Tensor as OrtTensor, type TypedTensor } from 'onnxruntime-common';
import type { HostTensor } from '../runtime/index.js';
import type { HookLoss } from './description.js';
import type { HookPlaces, LossDetails } from './draft.js';

/** Where a loss arises. */
export interface LossMap {
  /** The loss, as `evaluate` gives it. */
  readonly value: number;
  /** `[B, 1, H, W]` on the prediction: Σ weight · map over the hooks that have places in the image. */
  readonly map: TypedTensor<'float32'>;
  /** One entry per hook; empty for losses without hooks. */
  readonly hooks: readonly HookMap[];
}

/** What a hook has to do with a map. */
export interface HookMap extends HookLoss {
  /** Rows and columns at which the hook compares; absent for a hook without places, of which the map shows nothing. */
  readonly grid?: readonly [rows: number, columns: number];
  /** Tokens without a place, such as that of the class: part of the loss, but not of the map. */
  readonly withoutPlace: number;
  /** The hook's own map `[B, 1, H, W]`, unweighted, where it was asked for and there is one. */
  readonly map?: TypedTensor<'float32'>;
}

/** The map from a program's outputs. */
export function lossMap(
  value: number,
  hooks: readonly HookLoss[],
  { placed = [] }: LossDetails,
  { map, hook_maps: maps }: Readonly<Record<string, HostTensor>>,
): LossMap {
  if (map?.data === undefined) throw new Error('a program with a map has given none');
  let next = 0;
  const described = hooks.map((hook, i): HookMap => {
    const { grid, withoutPlace } = placed[i] as HookPlaces;
    if (grid === undefined || maps === undefined) return { ...hook, ...(grid && { grid }), withoutPlace };
    next += 1;
    return { ...hook, grid, withoutPlace, map: channelOf(maps, next - 1) };
  });
  return { value, map: new OrtTensor('float32', map.data as Float32Array, map.dims), hooks: described };
}

/** One channel of `[B, C, H, W]`, as `[B, 1, H, W]`. */
function channelOf({ dims, data }: HostTensor, channel: number): TypedTensor<'float32'> {
  const [batch, channels, height, width] = dims as [number, number, number, number];
  const size = height * width;
  const plane = new Float32Array(batch * size);
  for (let sample = 0; sample < batch; sample += 1) {
    const start = (sample * channels + channel) * size;
    plane.set((data as Float32Array).subarray(start, start + size), sample * size);
  }
  return new OrtTensor('float32', plane, [batch, 1, height, width]);
}
