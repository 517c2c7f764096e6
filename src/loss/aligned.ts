/** Activations of two networks, brought to the same places. */
import { GlobalPercError, sameShape, type Tensor } from '../graph/index.js';
import type { HookSite } from './description.js';
import { withoutChannels } from './distances.js';
import { type Grid, gridsIn, placesOf } from './places.js';

/** An activation and where it is from. */
export interface Placed {
  readonly activation: Tensor;
  readonly site: Pick<HookSite, 'path'>;
}

/**
 * The activations of a student and a teacher at the same places, in the student's layout. Tokens without a place, of class and registers, are left out
 * where the two have other numbers of them, or one is a map.
 * @param image what the student sees. @throws GlobalPercError where they have other places.
 */
export function aligned(student: Placed, teacher: Placed, image: Tensor): [student: Tensor, teacher: Tensor] {
  const [own, theirs] = [student.activation, teacher.activation];
  if (own.rank === theirs.rank && sameShape(withoutChannels(own.shape), withoutChannels(theirs.shape)))
    return [own, theirs];
  const grids = image.rank === 4 ? gridsIn(image.graph, image.shape.slice(2) as unknown as Grid) : [];
  const [patches, others] = [own, theirs].map((x) => patchesOf(x, grids)) as [Tensor, Tensor];
  const arranged =
    own.rank === 4 && theirs.rank === 3 ? asMap(others, own) : own.rank === 3 ? asTokens(others) : others;
  if (patches.rank === arranged.rank && sameShape(withoutChannels(patches.shape), withoutChannels(arranged.shape)))
    return [patches, arranged];
  throw new GlobalPercError(
    `TeacherStudentLoss: student ${student.site.path} gives [${own.shape}], teacher ${teacher.site.path} [${theirs.shape}]: they should have as ` +
      'many samples and places; hook others, or let the teacher see another size (Resize in transformNormalization)',
    { code: 'invalid-option' },
  );
}

/** Tokens without those in front that have no place. */
function patchesOf(x: Tensor, grids: readonly Grid[]): Tensor {
  const without = x.rank === 3 ? (placesOf(x.shape, x.dim(0), grids)?.withoutPlace ?? 0) : 0;
  return without > 0 ? x.slice([1], [without], [x.dim(1)]) : x;
}

const asTokens = (x: Tensor): Tensor => (x.rank === 4 ? x.reshape([x.dim(0), x.dim(1), -1]).swapAxes(1, 2) : x);

/** Tokens as a map of the size of another, where there are as many. */
const asMap = (x: Tensor, like: Tensor): Tensor =>
  x.dim(1) === like.dim(2) * like.dim(3) ? x.swapAxes(1, 2).reshape([x.dim(0), x.dim(2), like.dim(2), like.dim(3)]) : x;
