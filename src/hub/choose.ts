/** Which files of a repository make up a model. */
import { GlobalPercError, listed } from '../graph/index.js';

const PREFERRED = ['onnx/model.onnx', 'model.onnx'];

/** Variants whose weights are not float32: no gradient passes them. */
const REDUCED = /[._-](b?fp?16|b?float16|fp8|q\d+(f16)?|q?u?int\d+(_\w+)?|bnb4|quantized|quant|O4)\.onnx$/i;

const PREPROCESSOR = 'preprocessor_config.json';

/** Paths in the repository. */
export interface ChosenFiles {
  readonly model: string;
  /** External data: the files in the model's folder whose names start with the model's. */
  readonly data: readonly string[];
  readonly preprocessor: string | undefined;
}

/** Where files are chosen from, for messages. */
interface Source {
  readonly repo: string;
  /** e.g. `'owner/name' at 'main'` */
  readonly where: string;
}

/**
 * Chooses `file`, or else `onnx/model.onnx`, `model.onnx`, or the only `.onnx` file of float32 weights.
 * @param paths All files there are.
 * @throws GlobalPercError when there is no such file, or more than one.
 */
export function chooseFiles(paths: readonly string[], from: Source, file: string | undefined): ChosenFiles {
  const model = file === undefined ? chooseModel(paths, from) : named(file, paths, from);
  const data = paths.filter((path) => path !== model && path.startsWith(model) && !path.endsWith('.onnx'));
  return {
    model,
    data: data.filter((path) => !path.slice(model.length).includes('/')),
    preprocessor: paths.includes(PREPROCESSOR) ? PREPROCESSOR : undefined,
  };
}

function named(file: string, paths: readonly string[], { where }: Source): string {
  if (paths.includes(file)) return file;
  const models = paths.filter(isOnnx);
  const instead = models.length > 0 ? `its ONNX files are ${listed(models)}` : 'it has no ONNX file';
  throw new GlobalPercError(`${where} has no file '${file}'; ${instead}`, { code: 'io' });
}

function chooseModel(paths: readonly string[], { repo, where }: Source): string {
  const models = paths.filter(isOnnx);
  if (models.length === 0)
    throw new GlobalPercError(`${where} has no ONNX file: ${instead(paths, repo)}`, { code: 'invalid-model' });
  const preferred = PREFERRED.find((path) => models.includes(path));
  if (preferred !== undefined) return preferred;
  const whole = models.filter((path) => !REDUCED.test(path));
  const [only, ...others] = whole;
  if (only === undefined) {
    throw new GlobalPercError(
      `${where} has only quantised or half-precision ONNX files (${listed(models)}); gradients need a float32 file`,
      { code: 'invalid-model' },
    );
  }
  if (others.length === 0) return only;
  throw new GlobalPercError(
    `${where} has ${whole.length} ONNX files: ${listed(whole)}; pass the one to use, e.g. { file: '${only}' }; on the command line, --file`,
    { code: 'invalid-option' },
  );
}

const isOnnx = (path: string): boolean => path.toLowerCase().endsWith('.onnx');

/** What to do with a repository of other formats. */
function instead(paths: readonly string[], repo: string): string {
  const weights = paths.filter((path) => /\.(safetensors|bin|pth?|h5|msgpack)$/i.test(path));
  if (weights.length === 0) return paths.length > 0 ? `it has ${listed(paths)}` : 'it is empty';
  return `it has ${listed(weights)}; export it with \`optimum-cli export onnx --model ${repo} <folder>\` and load the file`;
}
