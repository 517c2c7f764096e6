/** What is probably wrong with an image that a model does not accept. */
import type { Shape } from '../graph/index.js';

/**
 * What to do about a shape that looks like images in another layout than [B, C, H, W], e.g.
 * `[224, 224, 3] looks like height, width, channels: transpose to [1, 3, 224, 224]`.
 * @param known the C that the model takes, where it is known; else 3 is taken for it.
 */
export function layoutRemedy(shape: Shape, known: number | undefined): string | undefined {
  const channels = known ?? 3;
  const [first = 0, second = 0, third = 0, fourth = 0] = shape;
  const looks = (what: string, remedy: string): string => `[${shape.join(', ')}] looks like ${what}: ${remedy}`;
  const grayscale =
    channels === 3 ? ', as transforms.Grayscale({ numOutputChannels: 3 }) in transformNormalization does' : '';
  const repeat = `repeat its channel ${channels} times${grayscale}`;
  switch (shape.length) {
    case 2:
      return looks('height, width', `reshape to [1, 1, ${first}, ${second}]${channels > 1 ? `, and ${repeat}` : ''}`);
    case 3:
      if (first === channels)
        return looks('channels, height, width', `add the batch dimension, reshape to [1, ${shape.join(', ')}]`);
      if (third === channels)
        return looks('height, width, channels', `transpose to [1, ${third}, ${first}, ${second}]`);
      return undefined;
    case 4:
      if (second === channels) return undefined;
      if (fourth === channels)
        return looks('batch, height, width, channels', `transpose to [${first}, ${fourth}, ${second}, ${third}]`);
      if (second === 1) return looks('a grey image', repeat);
      if (second === 4 && channels === 3)
        return looks('a picture with alpha', 'compose it over a colour, or leave out its fourth channel');
      return known === undefined ? undefined : `it has ${second} channels, ${known} are needed`;
    default:
      return undefined;
  }
}
