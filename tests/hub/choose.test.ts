/** Which files make up a model. */
import { describe, expect, it } from 'vitest';
import { GlobalPercError } from '../../src/graph/index.js';
import { chooseFiles } from '../../src/hub/choose.js';

const FROM = { repo: 'owner/name', where: "'owner/name' at 'main'" };

describe('the model', () => {
  it.each([
    ['onnx/model.onnx before model.onnx', ['model.onnx', 'onnx/model.onnx'], 'onnx/model.onnx'],
    ['model.onnx before any other', ['a.onnx', 'model.onnx'], 'model.onnx'],
    ['the only one', ['onnx/resnet.onnx', 'README.md'], 'onnx/resnet.onnx'],
    [
      'the only one of float32',
      ['fp16', 'q4', 'q4f16', 'q8', 'int8', 'uint8', 'bnb4', 'quantized', 'qint8_avx512', 'O4']
        .map((kind) => `onnx/vision_${kind}.onnx`)
        .concat('onnx/vision.onnx'),
      'onnx/vision.onnx',
    ],
    ['a name that only looks quantised', ['unquantized_q4/u8net.onnx'], 'unquantized_q4/u8net.onnx'],
  ])('%s', (_, paths, model) => expect(chooseFiles(paths, FROM, undefined).model).toBe(model));

  it('the one asked for, quantised or not', () => {
    const paths = ['onnx/model.onnx', 'onnx/model_q4.onnx'];
    expect(chooseFiles(paths, FROM, 'onnx/model_q4.onnx').model).toBe('onnx/model_q4.onnx');
  });
});

it('external data are beside the model and have its name', () => {
  const data = ['onnx/model.onnx_data', 'onnx/model.onnx_data_1', 'onnx/model.onnx.data'];
  const others = ['model.onnx_data', 'onnx/model_q4.onnx', 'onnx/model_q4.onnx_data', 'onnx/model.onnx/part'];
  expect(chooseFiles(['onnx/model.onnx', ...data, ...others], FROM, undefined).data).toEqual(data);
});

it('the preprocessor, if there is one', () => {
  expect(chooseFiles(['a.onnx'], FROM, undefined).preprocessor).toBeUndefined();
  const paths = ['a.onnx', 'preprocessor_config.json', 'sub/preprocessor_config.json'];
  expect(chooseFiles(paths, FROM, undefined).preprocessor).toBe('preprocessor_config.json');
});

it.each([
  [
    'ambiguous',
    ['encoder_model.onnx', 'decoder_model.onnx', 'decoder_model_q4.onnx'],
    undefined,
    "'owner/name' at 'main' has 2 ONNX files: encoder_model.onnx, decoder_model.onnx; pass the one to use, e.g. { file: 'encoder_model.onnx' }; on the command line, --file",
  ],
  [
    'other formats alone',
    ['config.json', 'model.safetensors', 'pytorch_model.bin'],
    undefined,
    'has no ONNX file: it has model.safetensors, pytorch_model.bin; export it with `optimum-cli export onnx --model owner/name <folder>` and load the file',
  ],
  ['no weights', ['README.md'], undefined, 'has no ONNX file: it has README.md'],
  ['no file', [], undefined, 'has no ONNX file: it is empty'],
  [
    'quantised alone',
    ['onnx/model_q4.onnx', 'onnx/model_fp16.onnx'],
    undefined,
    'has only quantised or half-precision ONNX files (onnx/model_q4.onnx, onnx/model_fp16.onnx); gradients need a float32 file',
  ],
  [
    'no such file',
    ['a.onnx', 'b.onnx', 'c.txt'],
    'd.onnx',
    "'owner/name' at 'main' has no file 'd.onnx'; its ONNX files are a.onnx, b.onnx",
  ],
  ['no such file, and no model', ['c.txt'], 'd.onnx', "no file 'd.onnx'; it has no ONNX file"],
])('refused: %s', (_, paths, file, message) => {
  const choose = () => chooseFiles(paths, FROM, file);
  expect(choose).toThrow(GlobalPercError);
  expect(choose).toThrow(message);
});
