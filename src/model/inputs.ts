/** The inputs of a model: one receives the image, the others are given as constants or with every call. */
import {
  bytesOf,
  type ConstantData,
  constantOf,
  type DataType,
  GlobalPercError,
  type Graph,
  kindOf,
  listed,
  type Shape,
  sizeOf,
  type TensorType,
  typedArray,
  type Value,
} from '../graph/index.js';
import type { HostTensor } from '../runtime/index.js';
import type { TensorLike } from './tensor-like.js';

/** What an input gets: a tensor, or a number that fills it. */
export type InputValue = number | TensorLike;

/**
 * The input that receives the image: the named one, or else the only float32 input that can hold one.
 * @throws GlobalPercError when there is none, or the choice is not clear.
 */
export function imageInput(source: string, { inputs }: Graph, name?: string): Value {
  const all = listed(inputs.map(describeInput));
  if (inputs.length === 0) throw new GlobalPercError(`${source}: the model has no input`, { code: 'invalid-model' });
  if (name !== undefined) {
    const named = inputs.find((input) => input.name === name);
    if (named === undefined)
      throw new GlobalPercError(`${source}: there is no input '${name}'; the model has ${all}`, {
        code: 'invalid-option',
      });
    return requireReadable(source, named);
  }
  const [only, ...more] = inputs;
  if (only && more.length === 0) return requireReadable(source, only);
  const images = inputs.filter(({ dtype, declaredShape }) => dtype === 'float32' && declaredShape?.length === 4);
  const [image, ...others] = images;
  if (image && others.length === 0) return image;
  throw new GlobalPercError(
    `${source}: the model has the inputs ${all}; say which receives the image: loadModel(source, { input: '…' }); on the command line, --image`,
    { code: 'invalid-option' },
  );
}

function requireReadable(source: string, input: Value): Value {
  if (input.dtype === 'float32' || input.dtype === 'int64') return input;
  throw new GlobalPercError(
    `${source}: input '${input.name}' is ${input.dtype}; a float32 input for an image, or an int64 one for tokens, is needed`,
    {
      code: 'invalid-model',
    },
  );
}

/** `'timestep' (int64 [batch])` */
export const describeInput = ({ name, dtype, declaredShape }: Value): string =>
  `'${name}' (${dtype}${declaredShape ? ` [${declaredShape.join(', ')}]` : ''})`;

/**
 * Makes constants of inputs: they leave the graph's inputs.
 * @throws GlobalPercError for a name the model does not have, or a value that does not fit the declared type.
 */
export function bindInputs(
  source: string,
  graph: Graph,
  image: Value,
  given: Readonly<Record<string, InputValue>>,
): void {
  for (const [name, value] of Object.entries(given)) {
    const input = namedInput(source, graph, image, name);
    const { dtype, dims, data } = inputTensor(source, input, value);
    const constant: ConstantData = { dtype, shape: dims, bytes: bytesOf(data) };
    Object.assign(input, { constant, shape: dims });
  }
  graph.inputs = graph.inputs.filter(({ constant }) => constant === undefined);
}

/** One of the inputs besides the image. @throws GlobalPercError naming those that exist. */
export function namedInput(source: string, { inputs }: Graph, image: Value, name: string): Value {
  const others = inputs.filter((input) => input !== image);
  const found = others.find((input) => input.name === name);
  if (found) return found;
  const known = others.length > 0 ? listed(others.map(describeInput)) : 'none';
  throw new GlobalPercError(
    name === image.name
      ? `${source}: input '${name}' receives the image; give the others (${known}) in inputs; on the command line, --set`
      : `${source}: there is no input '${name}' besides the image; the model has ${known}`,
    { code: 'invalid-option' },
  );
}

/** Whether a shape is one that the file declares for an input: names stand for any size. */
export const fitsDeclared = ({ declaredShape: declared }: Value, shape: Shape): boolean =>
  declared === undefined ||
  (declared.length === shape.length && declared.every((dim, i) => typeof dim === 'string' || dim === shape[i]));

/** The type of an input that the file declares in full, if it does. */
export function declaredType({ dtype, declaredShape }: Value): TensorType | undefined {
  const shape = declaredShape?.filter((dim) => typeof dim === 'number');
  return dtype && shape && shape.length === declaredShape?.length ? { dtype, shape } : undefined;
}

/**
 * A value for an input, in the input's element type. A number fills the declared shape, open dimensions counting as 1.
 * @throws GlobalPercError when it does not fit.
 */
export function inputTensor(
  source: string,
  input: Value,
  given: InputValue,
): HostTensor & { data: NonNullable<HostTensor['data']> } {
  const { dtype = 'float32', declaredShape } = input;
  const where = `${source}: input ${describeInput(input)}`;
  if (typeof given === 'number') {
    const dims = (declaredShape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1));
    return { dtype, dims, data: elements(dtype, dims, new Array<number>(sizeOf(dims)).fill(given), where) };
  }
  const { data, dims } = given ?? {};
  if (data === undefined || !Array.isArray(dims)) {
    throw new GlobalPercError(`${where} should be a number or a tensor { data, dims }, got ${kindOf(given)}`, {
      code: 'invalid-argument',
    });
  }
  if (!fitsDeclared(input, dims))
    throw new GlobalPercError(`${where} got a tensor of shape [${dims}]`, { code: 'invalid-argument' });
  if (data.length !== sizeOf(dims)) {
    throw new GlobalPercError(`${where}: dims [${dims}] need ${sizeOf(dims)} values, data holds ${data.length}`, {
      code: 'invalid-argument',
    });
  }
  return { dtype, dims: [...dims], data: elements(dtype, dims, Array.from(data as ArrayLike<number>, Number), where) };
}

function elements(
  dtype: DataType,
  dims: Shape,
  values: readonly number[],
  where: string,
): NonNullable<HostTensor['data']> {
  const isInteger = !dtype.includes('float');
  const bad = values.find((value) => !(isInteger ? Number.isSafeInteger(value) : Number.isFinite(value)));
  if (bad !== undefined) {
    throw new GlobalPercError(`${where} got ${bad}; ${isInteger ? 'integers' : 'finite numbers'} are expected`, {
      code: Number.isFinite(bad) ? 'invalid-argument' : 'not-finite',
    });
  }
  return typedArray(dtype, constantOf(dtype, dims, values).bytes);
}
