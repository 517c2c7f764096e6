/** Plots as SVG or PNG. */
import { writeAtomically } from '../data/index.js';
import { loadPeer } from '../peers/index.js';

/** What the plots share: size, background, margins. */
export const LOOK = { width: 480, height: 300, background: 'white', padding: 10 } as const;

/** A Vega-Lite specification as SVG. */
export async function toSvg(specification: object): Promise<string> {
  const [vega, vegaLite] = await Promise.all([
    loadPeer('vega', () => import('vega')),
    loadPeer('vega-lite', () => import('vega-lite')),
  ]);
  const { spec } = vegaLite.compile(specification as Parameters<typeof vegaLite.compile>[0]);
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}

/** Writes a plot in the format its name ends in, `.svg` or `.png`. */
export async function writePlot(path: string, svg: string): Promise<void> {
  if (path.endsWith('.svg')) return writeAtomically(path, svg);
  const { default: sharp } = await loadPeer('sharp', () => import('sharp'));
  await writeAtomically(path, await sharp(Buffer.from(svg), { density: 144 }).png().toBuffer());
}
