/**
 * Generated textures: grey maps of `SIZE`×`SIZE` values from 0 to 1, and coloured images made of them. Each is drawn from a
 * generator; together they cover noise, periodic patterns, cells, lines and overlapping shapes.
 *
 * @typedef {Pick<import('globalperc').Generator, 'uniform' | 'normal' | 'integer'>} Generator
 * @typedef {import('globalperc/data').ImageTensor} Image
 * @typedef {(x: number, y: number) => number} Field
 */

/** Height and width of every image, in pixels. */
export const SIZE = 64;
const AREA = SIZE * SIZE;

/** @param {Generator} random @param {number} low @param {number} high */
export const between = (random, low, high) => low + (high - low) * random.uniform();

/** @param {number} value */
const unit = (value) => Math.min(1, Math.max(0, value));

/** An edge of one pixel or so: 0 where the distance is below −width, 1 above width. @param {number} distance */
const soft = (distance, width = 0.7) => unit(0.5 + distance / (2 * width));

/** @param {number} value @param {number} period */
const modulo = (value, period) => ((value % period) + period) % period;

/** Coordinates turned by a random angle around a random point. @param {Generator} random */
function turned(random, angle = between(random, 0, Math.PI)) {
  const [px, py] = [between(random, 0, SIZE), between(random, 0, SIZE)];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return {
    /** @type {Field} */
    u: (x, y) => cos * (x - px) + sin * (y - py),
    /** @type {Field} */
    v: (x, y) => -sin * (x - px) + cos * (y - py),
  };
}

/** Value noise: random numbers on a grid of the given cell size, smoothly interpolated. @param {Generator} random @returns {Field} */
export function valueNoise(random, cell = 8) {
  const side = Math.floor(SIZE / cell) + 3;
  const grid = Float32Array.from({ length: side * side }, () => random.uniform());
  const [shiftX, shiftY] = [random.uniform(), random.uniform()];
  /** @param {number} t */
  const smooth = (t) => t * t * (3 - 2 * t);
  return (x, y) => {
    const [column, row] = [x / cell + shiftX, y / cell + shiftY];
    const [j, i] = [Math.floor(column), Math.floor(row)];
    const [fx, fy] = [smooth(column - j), smooth(row - i)];
    const at = i * side + j;
    const [a, b] = [grid[at] ?? 0, grid[at + 1] ?? 0];
    const [c, d] = [grid[at + side] ?? 0, grid[at + side + 1] ?? 0];
    return (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy;
  };
}

/** Octaves of value noise, each finer one weighted by a further factor. @param {Generator} random @param {number} coarsest @param {number} gain @returns {Field} */
function fractalNoise(random, coarsest, gain) {
  /** @type {{ noise: Field, weight: number }[]} */
  const octaves = [];
  for (let [cell, weight] = [coarsest, 1]; cell >= 1; cell /= 2, weight *= gain) {
    octaves.push({ noise: valueNoise(random, cell), weight });
  }
  const total = octaves.reduce((sum, { weight }) => sum + weight, 0);
  return (x, y) => octaves.reduce((sum, { noise, weight }) => sum + weight * noise(x, y), 0) / total;
}

/** Distances to the nearest and second nearest of some random points, and which is the nearest. @param {Generator} random @param {number} count */
function nearestPoints(random, count) {
  const points = Array.from({ length: count }, () => [between(random, -8, SIZE + 8), between(random, -8, SIZE + 8)]);
  /** @param {number} x @param {number} y */
  return (x, y) => {
    let [first, second, nearest] = [Infinity, Infinity, 0];
    for (const [i, [px = 0, py = 0]] of points.entries()) {
      const distance = Math.hypot(x - px, y - py);
      if (distance < first) [first, second, nearest] = [distance, first, i];
      else if (distance < second) second = distance;
    }
    return { first, second, nearest };
  };
}

/** @type {Readonly<Record<string, (random: Generator) => Field>>} */
const GREY = {
  clouds: (random) => fractalNoise(random, 32, 0.5),
  rough: (random) => fractalNoise(random, 16, 0.9),
  waves(random) {
    const { u } = turned(random);
    const period = between(random, 4, 16);
    return (x, y) => 0.5 + 0.5 * Math.sin((u(x, y) * 2 * Math.PI) / period);
  },
  stripes(random) {
    const { u } = turned(random);
    const period = between(random, 5, 18);
    const width = period * between(random, 0.15, 0.35);
    return (x, y) => soft(Math.abs(modulo(u(x, y), period) - period / 2) - width);
  },
  checks(random) {
    const { u, v } = turned(random);
    const period = between(random, 4, 14);
    return (x, y) =>
      soft((Math.sin((u(x, y) * Math.PI) / period) * Math.sin((v(x, y) * Math.PI) / period) * period) / 2);
  },
  dots(random) {
    const { u, v } = turned(random);
    const period = between(random, 6, 16);
    const radius = period * between(random, 0.2, 0.4);
    const centred = (/** @type {number} */ value) => modulo(value, period) - period / 2;
    return (x, y) => soft(Math.hypot(centred(u(x, y)), centred(v(x, y))) - radius);
  },
  bricks(random) {
    const { u, v } = turned(random, random.integer(2) * (Math.PI / 2) + 0.05 * random.normal());
    const height = between(random, 6, 14);
    const width = height * between(random, 1.5, 3);
    const grain = fractalNoise(random, 8, 0.7);
    return (x, y) => {
      const row = Math.floor(v(x, y) / height);
      const along = modulo(u(x, y) + (modulo(row, 2) * width) / 2, width);
      const across = modulo(v(x, y), height);
      const edge = Math.min(along, width - along, across, height - across);
      return soft(edge - 1) * (0.7 + 0.3 * grain(x, y));
    };
  },
  cells(random) {
    const at = nearestPoints(random, 8 + random.integer(32));
    return (x, y) => at(x, y).first / 16;
  },
  mosaic(random) {
    const count = 8 + random.integer(42);
    const at = nearestPoints(random, count);
    const shades = Float32Array.from({ length: count }, () => random.uniform());
    return (x, y) => shades[at(x, y).nearest] ?? 0;
  },
  cracks(random) {
    const at = nearestPoints(random, 8 + random.integer(32));
    return (x, y) => {
      const { first, second } = at(x, y);
      return soft(second - first - 1.2);
    };
  },
  lines(random) {
    const background = random.uniform();
    const lines = Array.from({ length: 6 + random.integer(18) }, () => ({
      across: turned(random).u,
      width: between(random, 0.5, 2.5),
      shade: random.uniform(),
    }));
    return (x, y) =>
      lines.reduce((grey, { across, width, shade }) => {
        const cover = soft(width - Math.abs(across(x, y)));
        return grey * (1 - cover) + shade * cover;
      }, background);
  },
  fibres(random) {
    const { u } = turned(random);
    const bend = valueNoise(random, 64);
    const density = between(random, 0.5, 1.2);
    const shades = Float32Array.from({ length: 128 }, () => random.uniform());
    return (x, y) => {
      const place = u(x, y) * density + 6 * bend(x, y);
      const [at, part] = [modulo(Math.floor(place), 127), place - Math.floor(place)];
      return (shades[at] ?? 0) * (1 - part) + (shades[at + 1] ?? 0) * part;
    };
  },
  rings(random) {
    const { u, v } = turned(random);
    const period = between(random, 5, 12);
    const bend = valueNoise(random, 16);
    return (x, y) => 0.5 + 0.5 * Math.sin((Math.hypot(u(x, y), v(x, y)) * 2 * Math.PI) / period + 4 * bend(x, y));
  },
  grid(random) {
    const { u, v } = turned(random);
    const [period, width] = [between(random, 6, 16), between(random, 0.5, 1.5)];
    const off = (/** @type {number} */ value) => Math.abs(modulo(value, period) - period / 2);
    return (x, y) => soft(Math.min(off(u(x, y)), off(v(x, y))) - width);
  },
  specks(random) {
    const noise = valueNoise(random, between(random, 2, 4));
    const level = between(random, 0.6, 0.8);
    return (x, y) => soft(noise(x, y) - level, 0.06);
  },
};
const GREY_NAMES = Object.keys(GREY);

/** Number of texture classes: the grey ones, coloured, and the overlapping leaves. */
export const TEXTURES = GREY_NAMES.length + 1;

/** @param {Generator} random */
const randomColor = (random) => [random.uniform(), random.uniform(), random.uniform()];

/** @param {readonly number[]} color */
const lightness = (color) => color.reduce((sum, value) => sum + value, 0) / 3;

/** A grey map between two colours that differ in lightness. @param {Generator} random @param {Field} grey @returns {Image} */
function colored(random, grey) {
  let [low, high] = [randomColor(random), randomColor(random)];
  while (Math.abs(lightness(low) - lightness(high)) < 0.15) [low, high] = [randomColor(random), randomColor(random)];
  const data = new Float32Array(3 * AREA);
  for (let i = 0; i < AREA; i += 1) {
    const value = unit(grey(i % SIZE, Math.floor(i / SIZE)));
    for (let c = 0; c < 3; c += 1) data[c * AREA + i] = (low[c] ?? 0) + ((high[c] ?? 0) - (low[c] ?? 0)) * value;
  }
  return { dims: [3, SIZE, SIZE], data };
}

/** Signed distance to a shape around the origin: ellipse-like, box, triangle. @type {readonly ((x: number, y: number, ratio: number) => number)[]} */
const SHAPES = [
  (x, y) => Math.hypot(x, y),
  (x, y, ratio) => Math.max(Math.abs(x), Math.abs(y) * ratio),
  (x, y) => Math.max(y, -y / 2 + Math.abs(x) * 0.87),
];

/** Dead leaves: shapes of all sizes that cover each other, plain or textured. @param {Generator} random @returns {Image} */
function leaves(random) {
  const background = randomColor(random);
  const data = new Float32Array(3 * AREA).map((_, i) => background[Math.floor(i / AREA)] ?? 0);
  for (let leaf = 20 + random.integer(40); leaf > 0; leaf -= 1) paintLeaf(random, data);
  return { dims: [3, SIZE, SIZE], data };
}

/** @param {Generator} random @param {Float32Array} data */
function paintLeaf(random, data) {
  const radius = 4 / Math.sqrt(between(random, 0.02, 1));
  const [cx, cy] = [between(random, -4, SIZE + 4), between(random, -4, SIZE + 4)];
  const angle = between(random, 0, Math.PI);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const shape = SHAPES[random.integer(SHAPES.length)] ?? Math.hypot;
  const ratio = between(random, 0.5, 2);
  const color = randomColor(random);
  const grain = random.uniform() < 0.4 ? greyTexture(random) : () => 1;
  for (let i = 0; i < AREA; i += 1) {
    const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
    const [across, along] = [cos * (x - cx) + sin * (y - cy), -sin * (x - cx) + cos * (y - cy)];
    const cover = soft(radius - shape(across, along, ratio));
    if (cover === 0) continue;
    const shade = 0.6 + 0.4 * unit(grain(x, y));
    for (let c = 0; c < 3; c += 1) {
      const at = c * AREA + i;
      data[at] = (data[at] ?? 0) * (1 - cover) + (color[c] ?? 0) * shade * cover;
    }
  }
}

/** @param {Generator} random @returns {Field} */
function greyTexture(random) {
  const name = GREY_NAMES[random.integer(GREY_NAMES.length)] ?? 'clouds';
  return (GREY[name] ?? fractalNoise)(random, 32, 0.5);
}

/** A texture of one class. @param {number} kind from 0 to TEXTURES − 1 @param {Generator} random @returns {Image} */
export function texture(kind, random) {
  const make = GREY[GREY_NAMES[kind] ?? ''];
  return make ? colored(random, make(random)) : leaves(random);
}
