/** The teachers, read once. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, transforms } from '../dist/index.js';

/** @param {string} path from this folder */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Also the weights that LPIPS and DISTS read. */
export const VGG16 = here('data/vgg16.onnx');

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** (bytes − 127)/128, as EfficientNet's Lite variants were trained. */
const LITE = { mean: [127 / 255, 127 / 255, 127 / 255], std: [128 / 255, 128 / 255, 128 / 255] };

/**
 * @typedef {'AlexNet' | 'VGG16' | 'EfficientNet-Lite0'} Teacher
 * @type {Readonly<Record<Teacher, { file: string, normalize: typeof IMAGENET }>>}
 */
const FILES = {
  AlexNet: { file: here('../assets/lpips-alex.onnx'), normalize: IMAGENET },
  VGG16: { file: VGG16, normalize: IMAGENET },
  'EfficientNet-Lite0': { file: here('data/efficientnet-lite0.onnx'), normalize: LITE },
};

/** Names what is missing and what makes it. */
export function requireInputs() {
  const missing = Object.values(FILES).filter(({ file }) => !existsSync(file));
  if (missing.length === 0) return;
  process.stderr.write(`${missing.map(({ file }) => file).join(', ')} missing: run python study/make_inputs.py\n`);
  process.exit(2);
}

/** @type {Map<Teacher, Promise<import('../dist/index.js').Model>>} */
const loaded = new Map();

/** @param {Teacher} teacher */
export function modelOf(teacher) {
  const model = loaded.get(teacher) ?? loadModel(FILES[teacher].file);
  loaded.set(teacher, model);
  return model;
}

/** @param {Teacher} teacher */
export const normalizeOf = (teacher) => new transforms.Normalize(FILES[teacher].normalize);
