/** The inputs of a loss's models that no image fills: their values and types, from what a call gives. */
import { GlobalPercError, listed, sameShape, type TensorType } from '../graph/index.js';
import { type InputValue, snapshot } from '../model/index.js';
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
export function openTypes(open: Open, options: CallOptions): ReadonlyMap<string, TensorType> {
  givenTensors(open, options);
  const types = new Map<string, TensorType>();
  for (const input of needed(open)) {
    const { name } = input;
    const type = typeOf(input, options.inputs?.[name]);
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

function typeOf(input: OpenInput, given: InputValue | undefined): TensorType {
  const tensor = given === undefined ? undefined : input.tensor(given);
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

const needed = (open: Open): OpenInput[] => (open ?? []).filter((input) => input.needed);

function givenTensors(open: Open, { inputs = {} }: CallOptions): ReadonlyMap<string, HostTensor> {
  const known = open ?? [];
  return new Map(
    Object.entries(inputs).map(([name, value]) => {
      const input = known.find((other) => other.name === name);
      if (input) return [name, input.tensor(value)];
      throw new GlobalPercError(
        `inputs: there is no open input '${name}' besides the image; open are ${listed(known.map((other) => other.name)) || 'none'}`,
        { code: 'invalid-argument' },
      );
    }),
  );
}
