/**
 * Pictures of the study, small enough to be kept.
 *
 * @typedef {import('../dist/data/index.js').ImageTensor} Image
 */
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import { LOOK, toSvg } from '../dist/cli/plot.js';
import { contactSheet, readImage, writeAtomically } from '../dist/data/index.js';
import { DETAILS } from './training.mjs';

/** @param {string} path @returns {Promise<Image>} */
async function pictureOf(path) {
  const { dims, data } = await readImage(path);
  return { dims: dims.slice(1), data };
}

/** As PNG with a palette. @param {string} path @param {import('sharp').Sharp} picture */
async function writeSmall(path, picture) {
  await writeAtomically(path, await picture.png({ palette: true, effort: 10 }).toBuffer());
}

/** Writes a contact sheet. @param {string} path @param {readonly string[]} columns @param {Image[][]} rows */
async function writeSheet(path, columns, rows) {
  const sheet = await contactSheet({ columns, rows: rows.map((images) => ({ images })), scale: 2 });
  await writeSmall(path, sharp(sheet));
}

/**
 * Writes what students made of details, a column for each that is there, where there are three or more.
 *
 * @param {string} path @param {string} folder @param {readonly string[]} names
 */
export async function writeDetails(path, folder, names) {
  const columns = names.filter((name) => existsSync(`${folder}/${name} 0.png`));
  if (columns.length < 3) return;
  const rows = await Promise.all(
    DETAILS.map((_, i) => Promise.all(columns.map((name) => pictureOf(`${folder}/${name} ${i}.png`)))),
  );
  await writeSheet(path, columns, rows);
}

/** Writes one row of pictures. @param {string} path @param {string} folder @param {readonly string[]} names */
export async function writeRow(path, folder, names) {
  const columns = names.filter((name) => existsSync(`${folder}/${name}.png`));
  if (columns.length < 2) return;
  await writeSheet(path, columns, [await Promise.all(columns.map((name) => pictureOf(`${folder}/${name}.png`)))]);
}

/** @param {string} path @param {string} title @param {string} axis @param {readonly { name: string, value: number }[]} values */
export async function writeBars(path, title, axis, values) {
  const svg = await toSvg({
    ...LOOK,
    height: 14 * values.length,
    title,
    data: { values },
    mark: { type: 'bar', height: 9 },
    encoding: {
      y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 240 } },
      x: { field: 'value', type: 'quantitative', title: axis },
    },
  });
  await writeSmall(path, sharp(Buffer.from(svg), { density: 108 }));
}

/**
 * Means and spreads as points with bars, a panel per task.
 *
 * @param {string} path @param {string} axis
 * @param {readonly { task: string, name: string, mean: number, low: number, high: number }[]} values
 */
export async function writePoints(path, axis, values) {
  const y = { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 240 } };
  const svg = await toSvg({
    background: LOOK.background,
    padding: LOOK.padding,
    data: { values },
    facet: { field: 'task', type: 'nominal', title: null, sort: null },
    columns: 2,
    spec: {
      width: LOOK.width / 2,
      height: 180,
      layer: [
        {
          mark: 'rule',
          encoding: { y, x: { field: 'low', type: 'quantitative', title: axis }, x2: { field: 'high' } },
        },
        {
          mark: { type: 'point', filled: true },
          encoding: { y, x: { field: 'mean', type: 'quantitative', title: axis, scale: { zero: false } } },
        },
      ],
    },
    resolve: { scale: { x: 'independent' } },
  });
  await writeSmall(path, sharp(Buffer.from(svg), { density: 108 }));
}
