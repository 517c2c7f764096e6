/** The weights of the hooks, as they follow from three numbers. */
import { Slider } from '../ui/parts.js';
import { curveForce, endWeight, startWeight, weights } from './state.js';

/** Units of the picture. */
const [WIDTH, HEIGHT, EDGE] = [280, 96, 8];
/** More points than this run into each other. */
const DOTS = 40;

export function WeightCurve() {
  return (
    <>
      <Slider label="Start" value={startWeight} min={0} max={4} step={0.05} />
      <Slider label="End" value={endWeight} min={0} max={4} step={0.05} />
      <Slider label="Force" value={curveForce} min={0} max={10} step={0.5} />
      <Curve values={weights.value} />
    </>
  );
}

function Curve({ values }: { readonly values: readonly number[] }) {
  if (values.length === 0) return null;
  const most = Math.max(...values, 0.01);
  const x = (i: number): number => EDGE + ((WIDTH - 2 * EDGE) * i) / Math.max(1, values.length - 1);
  const y = (weight: number): number => HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * weight) / (most * 1.05);
  const points = values.map((weight, i) => `${x(i).toFixed(1)},${y(weight).toFixed(1)}`);
  const label = `Weights of ${values.length} hooks, from ${values[0]?.toFixed(2)} to ${values.at(-1)?.toFixed(2)}`;
  return (
    <svg class="weight-curve" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <line class="axis" x1={EDGE} x2={WIDTH - EDGE} y1={HEIGHT - EDGE} y2={HEIGHT - EDGE} />
      <polyline points={points.join(' ')} />
      {values.length <= DOTS && values.map((weight, i) => <circle key={x(i)} cx={x(i)} cy={y(weight)} r="3" />)}
    </svg>
  );
}
