/** Lines over steps, as SVG that is as wide as its place. */
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  nearest,
  type Point,
  placeOf,
  type Scale,
  type Series,
  scaleOf,
  shortNumber,
  thinned,
  ticksOf,
  valueAt,
} from './chart-scale.js';

/** Pixels around the lines. */
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 8, 22];
/** Points of a line that are drawn. */
const MOST = 600;

interface Props {
  readonly label: string;
  readonly series: readonly Series[];
  /** Logarithmic, where all values are positive. */
  readonly log?: boolean;
  readonly height?: number;
  /** Whether the lines are named below; default where there are several. */
  readonly legend?: boolean;
}

export function LineChart({ label, series, log = false, height = 200, legend = series.length > 1 }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [at, setAt] = useState<number | undefined>(undefined);
  const drawn = series.flatMap(({ points, raw = [] }) => [...points, ...raw]);
  const positive = drawn.every(([, y]) => y > 0);
  const x = scaleOf(
    drawn.map(([step]) => step),
    false,
  );
  const y = scaleOf(
    drawn.map(([, value]) => value),
    log && positive,
  );
  const toX = (value: number): number => LEFT + placeOf(value, x) * (width - LEFT - RIGHT);
  const toY = (value: number): number => TOP + (1 - (0.03 + 0.94 * placeOf(value, y))) * (height - TOP - BOTTOM);
  const path = (points: readonly Point[]): string =>
    thinned(points, MOST)
      .map(([step, value], i) => `${i === 0 ? 'M' : 'L'}${toX(step).toFixed(1)} ${toY(value).toFixed(1)}`)
      .join('');
  const found = at === undefined ? [] : series.map(({ points }) => nearest(points, valueAt(at, x)));
  const where = found.find((point) => point !== undefined)?.[0];
  return (
    <div class="chart" ref={frame}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`${label}: ${series.map(({ name, points }) => `${name} ${shortNumber(points.at(-1)?.[1] ?? Number.NaN)}`).join(', ')}`}
        onPointerMove={(event) => {
          const { left } = event.currentTarget.getBoundingClientRect();
          setAt(Math.min(1, Math.max(0, (event.clientX - left - LEFT) / (width - LEFT - RIGHT))));
        }}
        onPointerLeave={() => setAt(undefined)}
      >
        <Axes x={x} y={y} toX={toX} toY={toY} width={width} height={height} />
        {series.map(({ name, colour, points, raw }) => (
          <g key={name} style={{ stroke: `var(${colour})`, fill: `var(${colour})` }}>
            {raw && <path class="raw" d={path(raw)} />}
            <path class="line" d={path(points)} />
            {points.length === 1 && (
              <circle cx={toX((points[0] as Point)[0])} cy={toY((points[0] as Point)[1])} r="3" />
            )}
          </g>
        ))}
        {where !== undefined && <line class="cursor" x1={toX(where)} x2={toX(where)} y1={TOP} y2={height - BOTTOM} />}
      </svg>
      {(legend || where !== undefined) && (
        <p class="legend">
          {where !== undefined && <span>step {where}</span>}
          {series.map(({ name, colour, points }, i) => (
            <span key={name}>
              <i style={{ background: `var(${colour})` }} />
              {name} <b>{shortNumber((where === undefined ? points.at(-1) : found[i])?.[1] ?? Number.NaN)}</b>
            </span>
          ))}
        </p>
      )}
    </div>
  );
}

function Axes({
  x,
  y,
  toX,
  toY,
  width,
  height,
}: {
  readonly x: Scale;
  readonly y: Scale;
  readonly toX: (value: number) => number;
  readonly toY: (value: number) => number;
  readonly width: number;
  readonly height: number;
}) {
  return (
    <g class="axes">
      {ticksOf(y, 4).map((tick) => (
        <g key={tick}>
          <line x1={LEFT} x2={width - RIGHT} y1={toY(tick)} y2={toY(tick)} />
          <text x={LEFT - 6} y={toY(tick) + 4} text-anchor="end">
            {shortNumber(tick)}
          </text>
        </g>
      ))}
      {ticksOf(x, Math.max(2, width / 120)).map((tick) => (
        <text key={tick} x={toX(tick)} y={height - 5} text-anchor="middle">
          {shortNumber(tick)}
        </text>
      ))}
    </g>
  );
}

/** The width of an element, as it changes. */
function useWidth(element: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(480);
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(
      ([entry]) => entry && setWidth(Math.max(160, Math.floor(entry.contentRect.width))),
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}
