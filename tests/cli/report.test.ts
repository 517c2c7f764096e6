/** Curves as they are drawn: the legend has the looks of the lines it names. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Curve, writeCurves } from '../../src/cli/report.js';

const folder = mkdtempSync(join(tmpdir(), 'globalperc-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const curve = (label: string, values: readonly number[]): Curve => ({
  label,
  values: values.map((value, step) => ({ step, value })),
});

async function drawn(...curves: Curve[]): Promise<string> {
  await writeCurves(folder, 'Title', 'loss', curves);
  return readFileSync(join(folder, 'curves.svg'), 'utf8');
}

const attribute = (tag: string, name: string): string | undefined => new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1];

/** Colour, width and opacity of a path; opaque where it says nothing. */
const looks = (tag: string): unknown => ({
  stroke: attribute(tag, 'stroke'),
  width: attribute(tag, 'stroke-width'),
  opacity: attribute(tag, 'opacity') ?? '1',
});

/** Every line with its label, in the order of drawing. */
const lines = (svg: string): { label: string; looks: unknown }[] =>
  Array.from(svg.matchAll(/<path aria-label="[^"]*label: (\w+)"[^>]*>/g), ([tag, label = '']) => ({
    label,
    looks: looks(tag),
  }));

/** Every entry of the legend. */
const legend = (svg: string): { label: string; looks: unknown }[] =>
  Array.from(
    svg.matchAll(/role-legend-symbol[^>]*>(<path[^>]*>).*?role-legend-label.*?<text[^>]*>(\w+)</g),
    (match) => ({
      label: match[2] as string,
      looks: looks(match[1] as string),
    }),
  );

describe('writeCurves', () => {
  const noise = Array.from({ length: 60 }, (_, i) => 2 + Math.sin(i * i));
  const lower = noise.map((value) => value / 3);

  it('draws few values as they are, and names them in the order given', async () => {
    const svg = await drawn(curve('L1', noise.slice(0, 10)), curve('GlobalPercLoss', lower.slice(0, 10)));
    expect(lines(svg).map(({ label }) => label)).toEqual(['L1', 'GlobalPercLoss']);
    expect(legend(svg)).toEqual(lines(svg));
  });

  it('draws many values faint below their means, which the legend looks like', async () => {
    const svg = await drawn(curve('L1', noise), curve('GlobalPercLoss', lower));
    const [faint, bold] = [lines(svg).slice(0, 2), lines(svg).slice(2)];
    expect(faint.map((line) => line.looks)).toEqual([
      expect.objectContaining({ width: '1', opacity: '0.25' }),
      expect.objectContaining({ width: '1', opacity: '0.25' }),
    ]);
    expect(bold).toHaveLength(2);
    expect(legend(svg)).toEqual(bold);
  });

  it.each([
    ['one step', [0.3]],
    ['losses that are all the same', [0.3, 0.3]],
    ['losses below 0', [0.3, -0.3]],
  ])('draws %s, without a legend for one curve', async (_, values) => {
    const svg = await drawn(curve('loss', values));
    expect(lines(svg)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(legend(svg)).toEqual([]);
  });
});
