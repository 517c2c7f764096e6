/** Borders around the last axes, as layers. */
import type { Tensor } from '../../graph/index.js';
import { number } from '../../options/index.js';
import { type PadMode, pad } from '../functional/padding.js';
import { Module } from '../module.js';
import { imagePattern, perAxis, requireShape } from '../sizes.js';

/** Padding of a layer: one count for all sides, or left, right, top, bottom, front, back. */
export type PadSizes = number | readonly number[];

/** What the padding layers share. */
abstract class Padding extends Module {
  readonly padding: readonly number[];

  /** @throws GlobalPercError when there are not two integers per axis. */
  constructor(axes: number, padding: PadSizes) {
    super();
    this.padding = perAxis(2 * axes, Number.NEGATIVE_INFINITY)(padding, `${this.className}: padding`);
  }

  /** @throws GlobalPercError on another rank, or an axis too short for the border. */
  override forward(x: Tensor): Tensor {
    requireShape(this.className, x, imagePattern(this.padding.length / 2));
    return this.padded(x);
  }

  protected abstract padded(x: Tensor): Tensor;
}

/** A border of one value. */
abstract class ConstantPadding extends Padding {
  readonly value: number;

  constructor(axes: number, padding: PadSizes, value: number) {
    super(axes, padding);
    this.value = number()(value, `${this.className}: value`);
  }

  protected override padded(x: Tensor): Tensor {
    return pad(x, this.padding, { value: this.value });
  }
}

/** A border filled from the input. */
abstract class FilledPadding extends Padding {
  protected abstract readonly mode: Exclude<PadMode, 'constant'>;

  protected override padded(x: Tensor): Tensor {
    return pad(x, this.padding, { mode: this.mode });
  }
}

/** A border of one value: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad1d.html). */
export class ConstantPad1d extends ConstantPadding {
  static readonly className: string = 'ConstantPad1d';
  constructor(padding: PadSizes, value: number) {
    super(1, padding, value);
  }
}

/** A border of one value: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad2d.html). */
export class ConstantPad2d extends ConstantPadding {
  static readonly className: string = 'ConstantPad2d';
  constructor(padding: PadSizes, value: number) {
    super(2, padding, value);
  }
}

/** A border of one value: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad3d.html). */
export class ConstantPad3d extends ConstantPadding {
  static readonly className: string = 'ConstantPad3d';
  constructor(padding: PadSizes, value: number) {
    super(3, padding, value);
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
export class ReflectionPad1d extends FilledPadding {
  static readonly className = 'ReflectionPad1d';
  protected readonly mode = 'reflect';
  constructor(padding: PadSizes) {
    super(1, padding);
  }
}

/** The input mirrored at its edge: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad2d.html). */
export class ReflectionPad2d extends FilledPadding {
  static readonly className = 'ReflectionPad2d';
  protected readonly mode = 'reflect';
  constructor(padding: PadSizes) {
    super(2, padding);
  }
}

/** The input mirrored at its edge: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad3d.html). */
export class ReflectionPad3d extends FilledPadding {
  static readonly className = 'ReflectionPad3d';
  protected readonly mode = 'reflect';
  constructor(padding: PadSizes) {
    super(3, padding);
  }
}

/** The edge repeated: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad1d.html). */
export class ReplicationPad1d extends FilledPadding {
  static readonly className = 'ReplicationPad1d';
  protected readonly mode = 'replicate';
  constructor(padding: PadSizes) {
    super(1, padding);
  }
}

/** The edge repeated: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad2d.html). */
export class ReplicationPad2d extends FilledPadding {
  static readonly className = 'ReplicationPad2d';
  protected readonly mode = 'replicate';
  constructor(padding: PadSizes) {
    super(2, padding);
  }
}

/** The edge repeated: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad3d.html). */
export class ReplicationPad3d extends FilledPadding {
  static readonly className = 'ReplicationPad3d';
  protected readonly mode = 'replicate';
  constructor(padding: PadSizes) {
    super(3, padding);
  }
}

/** The input continued from its other side: `[B, C, L]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad1d.html). */
export class CircularPad1d extends FilledPadding {
  static readonly className = 'CircularPad1d';
  protected readonly mode = 'circular';
  constructor(padding: PadSizes) {
    super(1, padding);
  }
}

/** The input continued from its other side: `[B, C, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad2d.html). */
export class CircularPad2d extends FilledPadding {
  static readonly className = 'CircularPad2d';
  protected readonly mode = 'circular';
  constructor(padding: PadSizes) {
    super(2, padding);
  }
}

/** The input continued from its other side: `[B, C, D, H, W]` (https://pytorch.org/docs/stable/generated/torch.nn.CircularPad3d.html). */
export class CircularPad3d extends FilledPadding {
  static readonly className = 'CircularPad3d';
  protected readonly mode = 'circular';
  constructor(padding: PadSizes) {
    super(3, padding);
  }
}
