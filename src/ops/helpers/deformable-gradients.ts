/** The gradients of a deformable convolution. */
import { type AttributeReader, concat, constantOf, sizeOf, type Tensor } from '../../graph/index.js';
import type { Gradient } from '../define.js';
import { sumPerChannel } from './channels.js';
import { convolutionOf } from './convolution-gradients.js';
import { BILINEAR, elementsAt, imageGradient, placeGradients, tapsAt } from './taps.js';
import type { WindowAxis } from './windows.js';

/** x [N, C, H, W], w [M, C/group, h, w], offset [N, offset_group·h·w·2, oH, oW], mask [N, offset_group·h·w, oH, oW]. */
interface DeformableInputs {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly offset: Tensor;
  readonly mask: Tensor | undefined;
}

/** Of x, w, offset, bias and mask. Each group of offsets is an image of its own that is sampled at k·o places. */
export function deformableGradients(attributes: AttributeReader, inputs: DeformableInputs, dy: Tensor): Gradient[] {
  const { x, w, offset, mask } = inputs;
  const { axes, group } = convolutionOf(attributes, x.shape, w.shape);
  const images = x.dim(0) * attributes.int('offset_group', 1);
  const [places, positions] = [sizeOf(w.shape.slice(2)), sizeOf(axes.map((axis) => axis.count))];
  const moves = offset.reshape([images, places, axes.length, positions]);
  const taps = tapsAt(
    axes.map((axis, i) => ({
      places: moves
        .slice([2], [i], [i + 1])
        .reshape([images, 1, -1])
        .add(x.graph.constant(constantOf(x.dtype, [places * positions], windowPlaces(axes, i)))),
      size: axis.size,
      step: 1,
    })),
    BILINEAR,
  );
  const image = x.reshape([images, -1, sizeOf(x.shape.slice(2))]);
  const elements = elementsAt(image, taps);
  const sampled = elements.mul(taps.share.unsqueeze([1])).sum([2]);
  const masked = (tensor: Tensor): Tensor => (mask ? tensor.mul(mask.reshape([images, 1, -1])) : tensor);
  const grouped = dy.reshape([x.dim(0), group, -1, positions]);
  const weight = w.reshape([group, w.dim(0) / group, -1]);
  const received = weight.swapAxes(1, 2).matmul(grouped).reshape(sampled.shape);
  const columns = (): Tensor => masked(sampled).reshape([x.dim(0), group, -1, positions]);
  const moved = (): Tensor[] => placeGradients(elements, taps, masked(received));
  return [
    () => imageGradient(image, taps, masked(received)).reshape(x.shape),
    () => grouped.matmul(columns().swapAxes(2, 3)).sum([0]).reshape(w.shape),
    () => {
      const parts = moved().map((part) => part.reshape([images, places, 1, positions]));
      return concat(parts, 2).reshape(offset.shape);
    },
    () => sumPerChannel(dy),
    mask ? () => received.mul(sampled).sum([1]).reshape(mask.shape) : null,
  ];
}

/** Where the elements of all windows lie along one axis before they are moved: o·stride + k·dilation − before, o fastest. */
function windowPlaces(axes: readonly WindowAxis[], at: number): number[] {
  const indices = (sizes: readonly number[]): number[] => {
    const inner = sizeOf(sizes.slice(at + 1));
    return Array.from({ length: sizeOf(sizes) }, (_, i) => Math.floor(i / inner) % (sizes[at] as number));
  };
  const { stride, dilation, before } = axes[at] as WindowAxis;
  const windows = indices(axes.map((axis) => axis.count));
  return indices(axes.map((axis) => axis.kernel)).flatMap((k) =>
    windows.map((o) => o * stride + k * dilation - before),
  );
}
