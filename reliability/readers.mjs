/** Readers of files of bytes: what they read, and what a result of theirs must be. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { ByteCursor, inMemory } from '../dist/data/byte-cursor.js';
import { ImageFolder, parseNpy, parseSafetensors, readImage } from '../dist/data/index.js';
import { unpickle } from '../dist/data/pickle.js';
import { readTorchFile } from '../dist/data/torch-file.js';
import { loadLora, PipelineFolder } from '../dist/diffusion/index.js';
import { bytesPerElement, sizeOf } from '../dist/graph/index.js';
import { Generator, GlobalPercConfig, GlobalPercLoss, loadModel, nn, optim, Trainer } from '../dist/index.js';
import { at } from './common.mjs';

/**
 * @typedef {object} Reader
 * @property {string} name
 * @property {number} share of all inputs
 * @property {readonly any[]} sources bytes, or JSON
 * @property {(input: any) => unknown} read throws where a result is not what it must be
 */

export const data = (/** @type {string} */ path) => at(`../fixtures/data/${path}`);
const bytesOf = (/** @type {string} */ path) => new Uint8Array(readFileSync(data(path)));
export const jsonOf = (/** @type {string} */ path) => JSON.parse(readFileSync(data(path), 'utf8'));

/** @param {string} folder @param {readonly string[]} names */
const filesOf = (folder, names) => names.map((name) => bytesOf(`${folder}/${name}`));

const fromBase64 = (/** @type {string} */ text) => new Uint8Array(Buffer.from(text, 'base64'));

/** Something else than a GlobalPercError: it fails the input. @param {boolean} holds @param {string} what */
function must(holds, what) {
  if (!holds) throw new Error(`a wrong result: ${what}`);
}

/** @param {Iterable<import('../dist/data/index.js').SafeTensor>} tensors */
function mustBeWhole(tensors) {
  for (const { dtype, dims, data: values } of tensors)
    must(
      values.byteLength === sizeOf(dims) * bytesPerElement(dtype),
      `${dtype} [${dims}] of ${values.byteLength} bytes`,
    );
}

/** @param {import('../dist/data/index.js').ImageTensor} image */
function mustBeImage({ dims, data: values }) {
  must(dims.length === 4 && values.length === sizeOf(dims), `an image [${dims}] of ${values.length} values`);
  must(
    values.every((value) => value >= 0 && value <= 1),
    'an image beyond [0, 1]',
  );
}

const torch = async (/** @type {Uint8Array} */ bytes) =>
  mustBeWhole((await readTorchFile(inMemory(bytes), 'file')).values());

/** Photographs in the formats that are read. */
async function pictures() {
  const small = sharp(data('images/rgb8.png')).resize(24, 24);
  const kinds = /** @type {const} */ (['jpeg', 'webp', 'gif', 'avif']);
  const made = await Promise.all(kinds.map((kind) => small.clone()[kind]().toBuffer()));
  const pngs = ['rgb8.png', 'rgba16.png', 'palette-p3.png'];
  const tiffs = ['grey16.tiff', 'rgb8-adobe.tiff', 'f32-rgb.tiff', 'f16-rgba.tiff'];
  return [...made.map((buffer) => new Uint8Array(buffer)), ...filesOf('images', [...pngs, ...tiffs])];
}

/** Reads a file of these bytes. @param {string} path @param {(path: string) => unknown} read */
export const asFile = (path, read) => async (/** @type {Uint8Array | object} */ input) => {
  writeFileSync(path, input instanceof Uint8Array ? input : JSON.stringify(input));
  return read(path);
};

/** A loss over all modules of a damaged model. @param {Uint8Array} bytes */
async function differentiate(bytes) {
  const config = new GlobalPercConfig({ printData: false, logger: () => {} });
  const loss = new GlobalPercLoss(await loadModel(bytes), config);
  const image = (/** @type {number} */ phase) => ({
    dims: [1, 3, 16, 16],
    data: Float32Array.from({ length: 768 }, (_, i) => Math.sin(i + phase)),
  });
  try {
    const { value, grad } = await loss.valueAndGrad(image(0), image(1));
    must(Number.isFinite(value) && grad.data.every(Number.isFinite), `loss ${value}`);
  } finally {
    await loss.dispose();
  }
}

/** The files of a checkpoint, one damaged at a time. @returns {Promise<Reader[]>} */
async function checkpoints() {
  const student = new nn.Conv2d(3, 3, 3, { padding: 1 });
  const trainer = await Trainer.create(student, new nn.MSELoss(), new optim.AdamW(), { batch: [1, 3, 8, 8] });
  const files = await trainer.checkpoint();
  return Object.entries(files).map(([name, content]) => ({
    name: `checkpoint, ${name}`,
    share: 2,
    sources: [content],
    read: (bytes) => trainer.restore({ ...files, [name]: bytes }),
  }));
}

/** Tar and Parquet files of images. @param {string} folder for files @returns {Reader[]} */
const shards = (folder) =>
  [
    { name: 'tar', files: ['ustar.tar', 'pax.tar', 'gnu.tar'], as: 'shard.tar' },
    { name: 'Parquet', files: ['hub.parquet', 'none.parquet', 'gzip.parquet'], as: 'shard.parquet' },
  ].map(({ name, files, as }) => ({
    name,
    share: 4,
    sources: filesOf('shards', files),
    read: asFile(join(folder, as), async (path) => {
      const images = await ImageFolder.open(path, { logger: () => {} });
      for (let i = 0; i < images.length; i += 1) await images.get(i, new Generator(i));
    }),
  }));

/** @param {string} folder for files @returns {Promise<Reader[]>} */
export async function readers(folder) {
  const unet = await (await PipelineFolder.open(data('diffusion/pipeline'))).unet();
  const models = ['vgg.torchscript', 'mobilenet.dynamo', 'unet.dynamo', 'vit.torchscript', 'swin.dynamo'];
  const pickles = jsonOf('checkpoints/pickles.json').flatMap((/** @type {any} */ entry) => entry.pickles);
  return [
    {
      name: 'ONNX',
      share: 14,
      sources: models.map((name) => bytesOf(`models/${name}.onnx`)),
      read: (bytes) => loadModel(bytes),
    },
    { name: 'ONNX, differentiated', share: 1, sources: [bytesOf('training/vgg.onnx')], read: differentiate },
    {
      name: 'safetensors',
      share: 12,
      sources: filesOf('checkpoints', ['dtypes.safetensors', 'safetensors/model-00001-of-00002.safetensors']),
      read: (bytes) => mustBeWhole(parseSafetensors(bytes, 'file').tensors.values()),
    },
    {
      name: 'torch.save, zip',
      share: 10,
      sources: filesOf('checkpoints', ['strides-zip.pt', 'classes-zip.pt', 'deflated.pt', 'dtypes-zip.pt']),
      read: torch,
    },
    {
      name: 'torch.save, legacy',
      share: 10,
      sources: filesOf('checkpoints', ['strides-legacy.pt', 'dtypes-legacy.pt', 'classes-legacy.pt']),
      read: torch,
    },
    {
      name: 'pickle',
      share: 12,
      sources: pickles.map(fromBase64),
      read: (bytes) => unpickle(new ByteCursor(inMemory(bytes), 'file')),
    },
    {
      name: 'npy',
      share: 12,
      sources: jsonOf('npy.json').map((/** @type {any} */ { file }) => fromBase64(file)),
      read: (bytes) => {
        const { dims, data: values } = parseNpy(bytes, 'file');
        must(values.length === sizeOf(dims), `[${dims}] of ${values.length} values`);
      },
    },
    {
      name: 'images',
      share: 12,
      sources: await pictures(),
      read: asFile(join(folder, 'image'), async (path) => mustBeImage(await readImage(path))),
    },
    ...shards(folder),
    ...(await checkpoints()),
    {
      name: 'LoRA',
      share: 1,
      sources: filesOf('diffusion/lora', ['kohya.safetensors', 'peft.safetensors']),
      read: asFile(join(folder, 'lora.safetensors'), (path) => loadLora(unet, path)),
    },
  ];
}
