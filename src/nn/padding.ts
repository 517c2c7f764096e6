/** Borders around the last axes. */
import { GlobalPercError, oneOf, string, type Tensor } from '../graph/index.js';
import { Module } from './module.js';
import { imagePattern, requireShape } from './sizes.js';

/** What a border is filled with: a value, or the input mirrored, its edge repeated, or continued from the other side. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

interface Filling {
  /** ONNX's name of the mode. */
  readonly onnx: string;
  /** How many elements it can add to an axis, given its size and how many are removed from it. */
  readonly limit: (size: number, removed: number) => number;
}

const MODES: Readonly<Record<PadMode, Filling>> = {
  constant: { onnx: 'constant', limit: () => Number.POSITIVE_INFINITY },
  reflect: { onnx: 'reflect', limit: (size) => size - 1 },
  replicate: { onnx: 'edge', limit: () => Number.POSITIVE_INFINITY },
  circular: { onnx: 'wrap', limit: (size, removed) => size - removed },
};

const added = (counts: readonly number[]): number[] => counts.map((count) => Math.max(count, 0));
const removed = (counts: readonly number[]): number[] => counts.map((count) => Math.min(count, 0));

/** Options of pad. */
export interface PadOptions {
  /** Default `constant`. */
  readonly mode?: PadMode;
  /** For mode `constant`. Default 0. */
  readonly value?: number;
}

/**
 * Adds `padding` = (left, right, top, bottom, front, back), the last axis first; negative counts remove elements
 * (https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html).
 * @throws GlobalPercError when a count lacks its pair, or a border is wider than its mode can fill.
 */
export function pad(x: Tensor, padding: readonly number[], { mode = 'constant', value = 0 }: PadOptions = {}): Tensor {
  const { onnx, limit } = MODES[oneOf(mode, Object.keys(MODES) as PadMode[], 'pad: mode')];
  if (padding.length % 2 === 1 || padding.length > 2 * x.rank || !padding.every(Number.isInteger)) {
    throw new GlobalPercError(`pad: [${padding}] should be two integers for each of the last axes of [${x.shape}]`);
  }
  const counts = (end: number): number[] => x.shape.map((_, axis) => padding[2 * (x.rank - 1 - axis) + end] ?? 0);
  const [before, after] = [counts(0), counts(1)];
  for (const [axis, size] of x.shape.entries()) {
    const [first, last] = [before[axis] as number, after[axis] as number];
    const lost = Math.max(-first, 0) + Math.max(-last, 0);
    if (Math.max(first, last) > limit(size, lost) || size + first + last < 1) {
      throw new GlobalPercError(`pad: '${mode}' cannot add ${first} and ${last} to axis ${axis} of [${x.shape}]`);
    }
  }
  if (mode === 'constant') return x.pad(before, after, value);
  const cropped = (image: Tensor): Tensor => image.pad(removed(before), removed(after));
  const filled = (image: Tensor): Tensor => {
    const pads = [...added(before), ...added(after)];
    if (pads.every((count) => count === 0)) return image;
    return image.graph.emit('Pad', [image, image.graph.ints(pads)], { mode: string(onnx) })[0] as Tensor;
  };
  // PyTorch continues what is left of the input, but mirrors and repeats all of it.
  return mode === 'circular' ? filled(cropped(x)) : cropped(filled(x));
}

/** Padding of a layer: one count for all sides, or left, right, top, bottom, front, back. */
export type PadSizes = number | readonly number[];

/** What the padding layers share. */
abstract class Padding extends Module {
  readonly padding: readonly number[];
  private readonly axes: number;
  private readonly options: PadOptions;

  /** @throws GlobalPercError when there are not two integers per axis. */
  constructor(axes: number, padding: PadSizes, options: PadOptions) {
    super();
    this.axes = axes;
    this.padding = typeof padding === 'number' ? Array.from({ length: 2 * axes }, () => padding) : [...padding];
    this.options = options;
    if (this.padding.length !== 2 * axes || !this.padding.every(Number.isInteger)) {
      const wanted = `an integer or ${2 * axes} of them`;
      throw new GlobalPercError(`${this.className}: padding should be ${wanted}, got ${JSON.stringify(padding)}`);
    }
  }

  /** @throws GlobalPercError on another rank, or an axis too short for the border. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(this.axes));
    return pad(x, this.padding, this.options);
  }
}

/** A border of one value: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad1d.html). */
export class ConstantPad1d extends Padding {
  static readonly className: string = 'ConstantPad1d';
  constructor(padding: PadSizes, value: number) {
    super(1, padding, { value });
  }
}

/** A border of one value: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad2d.html). */
export class ConstantPad2d extends Padding {
  static readonly className: string = 'ConstantPad2d';
  constructor(padding: PadSizes, value: number) {
    super(2, padding, { value });
  }
}

/** A border of one value: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad3d.html). */
export class ConstantPad3d extends Padding {
  static readonly className: string = 'ConstantPad3d';
  constructor(padding: PadSizes, value: number) {
    super(3, padding, { value });
  }
}

/** A border of zeros: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad1d.html). */
export class ZeroPad1d extends ConstantPad1d {
  static override readonly className = 'ZeroPad1d';
  constructor(padding: PadSizes) {
    super(padding, 0);
  }
}

/** A border of zeros: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html). */
export class ZeroPad2d extends ConstantPad2d {
  static override readonly className = 'ZeroPad2d';
  constructor(padding: PadSizes) {
    super(padding, 0);
  }
}

/** A border of zeros: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad3d.html). */
export class ZeroPad3d extends ConstantPad3d {
  static override readonly className = 'ZeroPad3d';
  constructor(padding: PadSizes) {
    super(padding, 0);
  }
}

/** The input mirrored at its edge: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad1d.html). */
export class ReflectionPad1d extends Padding {
  static readonly className = 'ReflectionPad1d';
  constructor(padding: PadSizes) {
    super(1, padding, { mode: 'reflect' });
  }
}

/** The input mirrored at its edge: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad2d.html). */
export class ReflectionPad2d extends Padding {
  static readonly className = 'ReflectionPad2d';
  constructor(padding: PadSizes) {
    super(2, padding, { mode: 'reflect' });
  }
}

/** The input mirrored at its edge: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad3d.html). */
export class ReflectionPad3d extends Padding {
  static readonly className = 'ReflectionPad3d';
  constructor(padding: PadSizes) {
    super(3, padding, { mode: 'reflect' });
  }
}

/** The edge repeated: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad1d.html). */
export class ReplicationPad1d extends Padding {
  static readonly className = 'ReplicationPad1d';
  constructor(padding: PadSizes) {
    super(1, padding, { mode: 'replicate' });
  }
}

/** The edge repeated: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad2d.html). */
export class ReplicationPad2d extends Padding {
  static readonly className = 'ReplicationPad2d';
  constructor(padding: PadSizes) {
    super(2, padding, { mode: 'replicate' });
  }
}

/** The edge repeated: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad3d.html). */
export class ReplicationPad3d extends Padding {
  static readonly className = 'ReplicationPad3d';
  constructor(padding: PadSizes) {
    super(3, padding, { mode: 'replicate' });
  }
}

/** The input continued from its other side: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad1d.html). */
export class CircularPad1d extends Padding {
  static readonly className = 'CircularPad1d';
  constructor(padding: PadSizes) {
    super(1, padding, { mode: 'circular' });
  }
}

/** The input continued from its other side: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad2d.html). */
export class CircularPad2d extends Padding {
  static readonly className = 'CircularPad2d';
  constructor(padding: PadSizes) {
    super(2, padding, { mode: 'circular' });
  }
}

/** The input continued from its other side: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad3d.html). */
export class CircularPad3d extends Padding {
  static readonly className = 'CircularPad3d';
  constructor(padding: PadSizes) {
    super(3, padding, { mode: 'circular' });
  }
}
