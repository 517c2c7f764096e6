/** What the colours of maps and gradients mean. */
import { colourBar, gradientColours } from '../../../dist/cli/colours.js';
import { ImageView } from '../ui/image-view.js';

/** Pixels of the bar; it is stretched. */
const [HEIGHT, WIDTH] = [1, 128];

const HEAT = colourBar(HEIGHT, WIDTH);
const SIGNED = gradientColours({
  dims: [1, 1, HEIGHT, WIDTH],
  data: Float32Array.from({ length: WIDTH }, (_, i) => (2 * i) / (WIDTH - 1) - 1),
}).image;

export const ColourBar = ({ most }: { readonly most: number }) => (
  <div class="colour-bar">
    <span>0</span>
    <ImageView image={HEAT} label="colours from 0 to the greatest" />
    <span>{most.toPrecision(2)}</span>
  </div>
);

export const GradientBar = ({ most }: { readonly most: number }) => (
  <div class="colour-bar">
    <span>−{most.toPrecision(2)}</span>
    <ImageView image={SIGNED} label="colours from negative to positive" />
    <span>{most.toPrecision(2)}</span>
  </div>
);
