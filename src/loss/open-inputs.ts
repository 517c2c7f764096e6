/** The inputs of a loss's models that no image fills: their values and types, from what a call gives. */
import { GlobalPercError, listed, type Shape, sameShape, sizeOf, type TensorType } from '../graph/index.js';
import { type InputValue, snapshot, type TensorLike } from '../model/index.js';
import { checkOptions } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';
import type { CallOptions, OpenInput } from './description.js';
import { openInputName } from './names.js';
import { CALL } from './options.js';

type Open = readonly OpenInput[] | undefined;

/** Values of the inputs that are needed, by their names in programs. @throws GlobalPercError for one that is not given, not known, or does not fit. */
export function openFeeds(open: Open, options: CallOptions): Record<string, HostTensor> {
  const given = givenTensors(open, options);
  return Object.fromEntries(
    needed(open).map((input) => {
      const tensor = given.get(input.name);
      if (tensor === undefined) throw input.missing();
      return [openInputName(input.name), tensor];
    }),
  );
}

/**
 * Types of the inputs that are needed: as given, or as declared.
 * @throws GlobalPercError for one that is neither, and where two models have one of the same name and another type.
 */
export function openTypes(
  open: Open,
  options: CallOptions,
  shapes: Readonly<Record<string, Shape>> = {},
): ReadonlyMap<string, TensorType> {
  givenTensors(open, options);
  for (const name of Object.keys(shapes)) knownInput(open, name);
  const types = new Map<string, TensorType>();
  for (const input of needed(open)) {
    const { name } = input;
    const type = typeOf(input, options.inputs?.[name], shapes[name]);
    const other = types.get(name) ?? type;
    if (other.dtype !== type.dtype || !sameShape(other.shape, type.shape)) {
      throw new GlobalPercError(
        `two models have an input '${name}', of ${other.dtype}[${other.shape}] and of ${type.dtype}[${type.shape}]: ` +
          'give one of them its value in loadModel(source, { inputs })',
        { code: 'invalid-option' },
      );
    }
    types.set(name, type);
  }
  return types;
}

function typeOf(input: OpenInput, given: InputValue | undefined, shape: Shape | undefined): TensorType {
  const tensor = given === undefined ? shape && input.tensor(zeros(shape)) : input.tensor(given);
  const type = tensor ? { dtype: tensor.dtype, shape: tensor.dims } : input.type;
  if (type === undefined) throw input.missing();
  return type;
}

/** A call's options as they are now, with the tensors in them. @throws GlobalPercError on an unknown option. */
export function snapshotOptions(options: CallOptions): CallOptions {
  const { inputs, mask } = checkOptions(options, CALL, 'options');
  return {
    ...options,
    ...(inputs && {
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, snapshot(value)])),
    }),
    ...(mask && { mask: snapshot(mask) }),
  };
}

const zeros = (dims: Shape): TensorLike => ({ dims: [...dims], data: new Float32Array(sizeOf(dims)) });

const needed = (open: Open): OpenInput[] => (open ?? []).filter((input) => input.needed);

function givenTensors(open: Open, { inputs = {} }: CallOptions): ReadonlyMap<string, HostTensor> {
  return new Map(Object.entries(inputs).map(([name, value]) => [name, knownInput(open, name).tensor(value)]));
}

/** @throws GlobalPercError naming those that are open. */
function knownInput(open: Open, name: string): OpenInput {
  const input = open?.find((other) => other.name === name);
  if (input) return input;
  throw new GlobalPercError(
    `inputs: there is no open input '${name}' besides the image; open are ${listed((open ?? []).map((other) => other.name)) || 'none'}`,
    { code: 'invalid-argument' },
  );
}
