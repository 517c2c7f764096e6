/** What `globalperc explain` draws: images, heat maps and the part of each hook, as one SVG. */
import { basename } from 'node:path';
import { encodePng, type ImageTensor } from '../data/index.js';
import type { HookMap, LossMap } from '../index.js';
import { loadPeer } from '../peers/index.js';
import { blended, colourBar, heatMap } from './colours.js';
import { toSvg } from './plot.js';

/** What is explained. */
export interface Explained {
  readonly model: string;
  readonly pred: Picture;
  readonly target: Picture;
  /** With the maps of the hooks. */
  readonly map: LossMap;
}

/** An image `[C, H, W]` in [0, 1] and what it is called. */
interface Picture {
  readonly name: string;
  readonly image: ImageTensor;
}

/** Pixels of the SVG. */
const [WIDTH, MARGIN, GAP, FONT] = [1000, 24, 20, 15];
const CELL = (WIDTH - 2 * MARGIN - 2 * GAP) / 3;
const CHART = 200;
/** As many hooks are shown with their maps. */
const SHOWN = 3;

/** The part of a hook in the loss. */
export const contribution = ({ weight, loss }: Pick<HookMap, 'weight' | 'loss'>): number => weight * loss;
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, value), 0);

/** A piece of SVG and its height. */
interface Block {
  readonly svg: string;
  readonly height: number;
}

/** The whole as SVG. */
export async function asSvg({ model, pred, target, map }: Explained): Promise<string> {
  const most = largest(map.map.data);
  const strongest = strongestOf(map.hooks);
  const share = (hook: HookMap): string => `${((100 * contribution(hook)) / map.value).toFixed(1)} %`;
  const rows: Block[] = [
    title(`${model.endsWith('.onnx') ? basename(model) : model}: loss ${map.value.toPrecision(5)}`),
    await row([
      { caption: `prediction: ${basename(pred.name)}`, image: pred.image },
      { caption: `target: ${basename(target.name)}`, image: target.image },
      { caption: 'where it differs', image: overlaid(map.map.data, pred.image, most), most },
    ]),
    ...(map.hooks.length > 0 ? [await chart(map, strongest)] : []),
    await row(
      strongest.flatMap((hook) => {
        if (hook.map === undefined) return [];
        const own = largest(hook.map.data);
        const caption = `${share(hook)} by hook ${hook.index}, ${ending(hook.path || hook.class)}`;
        return [{ caption, image: overlaid(hook.map.data, pred.image, own), most: own }];
      }),
    ),
  ];
  let top = MARGIN;
  const placed = rows.map(({ svg, height }) => {
    const group = `<g transform="translate(${MARGIN} ${top})">${svg}</g>`;
    top += height;
    return group;
  });
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="${FONT}" fill="#222">
<rect width="100%" height="100%" fill="white"/>${placed.join('\n')}</svg>`;
}

/** The hooks that contribute most, of those that have a map. */
const strongestOf = (hooks: readonly HookMap[]): HookMap[] =>
  hooks
    .filter(({ map }) => map !== undefined)
    .toSorted((a, b) => contribution(b) - contribution(a))
    .slice(0, SHOWN);

const overlaid = (values: ArrayLike<number>, image: ImageTensor, most: number): ImageTensor => {
  const [, height = 1, width = 1] = image.dims;
  return blended(heatMap(values, height, width, most), image);
};

const title = (text: string): Block => ({
  svg: `<text y="${FONT}" font-size="${FONT + 4}" font-weight="bold">${fitted(text, WIDTH - 2 * MARGIN, FONT + 4)}</text>`,
  height: FONT + 4 + GAP,
});

/** An image with its caption above; one with `most` has the scale of its colours below. */
interface Cell {
  readonly caption: string;
  readonly image: ImageTensor;
  readonly most?: number;
}

/** Up to three images beside each other. */
async function row(cells: readonly Cell[]): Promise<Block> {
  if (cells.length === 0) return { svg: '', height: 0 };
  const heights = cells.map(({ image: { dims } }) => (CELL * (dims[1] as number)) / (dims[2] as number));
  const below = Math.max(...heights);
  const bar = embedded(await encodePng(colourBar(8, 128)));
  const parts = await Promise.all(
    cells.map(async ({ caption, image, most }, i) => {
      const [left, top] = [i * (CELL + GAP), FONT + 8];
      const scale = most === undefined ? '' : scaleOf(bar, left, top + below + 8, most);
      return `<text x="${left}" y="${FONT}">${fitted(caption, CELL, FONT)}</text>
<image x="${left}" y="${top}" width="${CELL}" height="${heights[i]}" preserveAspectRatio="none" ${sharpness(image)}href="${embedded(await encodePng(image))}"/>${scale}`;
    }),
  );
  const hasScale = cells.some(({ most }) => most !== undefined);
  return { svg: parts.join('\n'), height: FONT + 8 + below + (hasScale ? 28 : 0) + GAP };
}

/** The pixels of small images stay squares. */
const sharpness = ({ dims }: ImageTensor): string =>
  (dims[2] as number) * 3 < CELL ? 'image-rendering="optimizeSpeed" ' : '';

const scaleOf = (bar: string, left: number, top: number, most: number): string =>
  `<image x="${left + 16}" y="${top}" width="128" height="10" preserveAspectRatio="none" href="${bar}"/>
<text x="${left}" y="${top + 10}" font-size="12">0</text><text x="${left + 152}" y="${top + 10}" font-size="12">${most.toPrecision(3)}</text>`;

/** What each hook contributes, in order of execution. */
async function chart({ hooks, value }: LossMap, strongest: readonly HookMap[]): Promise<Block> {
  const kind = (hook: HookMap): string => {
    if (hook.grid === undefined) return 'no place in the image';
    return strongest.includes(hook) ? 'shown below' : 'in the map';
  };
  const values = hooks.map((hook) => ({
    hook: hook.index,
    share: contribution(hook) / value,
    kind: kind(hook),
    name: `${hook.path || hook.class}: ${contribution(hook).toPrecision(4)}`,
  }));
  const names = ['shown below', 'in the map', 'no place in the image'];
  const svg = await toSvg({
    width: WIDTH - 2 * MARGIN - 70,
    height: CHART - 85,
    padding: 0,
    background: 'white',
    title: {
      text: 'share of each hook in the loss, in order of execution',
      anchor: 'start',
      fontWeight: 'normal',
      fontSize: FONT,
    },
    data: { values },
    mark: { type: 'bar', tooltip: true },
    encoding: {
      x: { field: 'hook', type: 'ordinal', title: 'hook', axis: { labelOverlap: true, labelAngle: 0 } },
      y: { field: 'share', type: 'quantitative', title: null, axis: { format: '%', tickCount: 4 } },
      color: {
        field: 'kind',
        type: 'nominal',
        title: null,
        scale: { domain: names, range: ['#dd5139', '#420a68', '#b8b8b8'] },
        legend: { orient: 'top', offset: 4, labelLimit: 0 },
      },
      tooltip: { field: 'name' },
    },
  });
  return { svg, height: CHART + GAP };
}

/** The SVG as PNG, twice as fine. */
export async function asPng(explained: Explained): Promise<Uint8Array> {
  const { default: sharp } = await loadPeer('sharp', () => import('sharp'));
  return sharp(Buffer.from(await asSvg(explained)), { density: 144, unlimited: true })
    .png()
    .toBuffer();
}

/** A page with the SVG, and every hook in a table. */
export async function asHtml(explained: Explained): Promise<string> {
  const { value, hooks } = explained.map;
  const rows = hooks.map((hook) => {
    const cells = [
      hook.index,
      hook.path,
      hook.class,
      hook.shape.join(' × '),
      hook.grid?.join(' × ') ?? 'none',
      hook.weight.toPrecision(4),
      hook.loss.toPrecision(4),
      `${((100 * contribution(hook)) / value).toFixed(2)} %`,
    ];
    return `<tr>${cells.map((cell) => `<td>${escaped(String(cell))}</td>`).join('')}</tr>`;
  });
  const headings = ['#', 'module', 'class', 'shape', 'places', 'weight', 'loss', 'share'];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(explained.model)}</title>
<style>
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { max-width: 1000px; margin: 1rem auto; padding: 0 1rem }
svg { max-width: 100%; height: auto; border-radius: 6px }
div { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: 0.2rem 0.6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); white-space: nowrap }
td:nth-last-child(-n + 3), th:nth-last-child(-n + 3) { text-align: right; font-variant-numeric: tabular-nums }
</style></head><body>
${await asSvg(explained)}
<div><table><thead><tr>${headings.map((heading) => `<th>${heading}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
</body></html>
`;
}

const embedded = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;

/** The end of a path, which tells it from its neighbours. */
const ending = (path: string): string => (path.length > 16 ? `…${path.slice(-15)}` : path);

/** A text for SVG, cut where it would be wider than there is room. */
function fitted(text: string, width: number, size: number): string {
  const most = Math.floor(width / (0.55 * size));
  return escaped(text.length > most ? `${text.slice(0, most - 1)}…` : text);
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
