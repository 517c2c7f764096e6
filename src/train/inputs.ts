/** What a student is given: one tensor, or several by name. */
import {
  type DataType,
  GlobalPercError,
  type Graph,
  type Shape,
  sameShape,
  type Tensor,
  type TensorType,
} from '../graph/index.js';
import { snapshot, type TensorLike, toFloat32 } from '../model/index.js';
import type { AnyModule } from '../nn/index.js';
import { type Checks, checkOptions, isObject, oneOf, recordOf, refused, required, shape } from '../options/index.js';
import type { HostTensor } from '../runtime/index.js';

/** A tensor, or one for each of a student's named inputs. */
export type StepInput = TensorLike | Readonly<Record<string, TensorLike>>;

/** Shape of a float32 input, or the type of any other. */
export type InputType = Shape | { readonly dtype: 'float32' | 'int64'; readonly shape: Shape };

/** The name of the only input of a student. */
const ONLY = 'input';

export const DTYPE = oneOf('float32', 'int64');
export const SHAPE = shape('[8, 3, 128, 128]');
export const TYPE: Checks<{ dtype: 'float32' | 'int64'; shape: Shape }> = {
  dtype: required(DTYPE),
  shape: required(SHAPE),
};

/** `{ latents: [1, 4, 64, 64], ids: { dtype: 'int64', shape: [1, 77] } }` as types. */
export const TYPES = recordOf<TensorType>(
  (value, where) =>
    isObject(value) ? checkOptions(value, TYPE, where) : { dtype: 'float32', shape: SHAPE(value, where) },
  'shapes by name such as { latents: [1, 4, 64, 64], text: [1, 77, 768] }',
);

/** The types of a student's inputs, in the order in which its `forward` takes them. */
export class StudentInputs {
  readonly types: ReadonlyMap<string, TensorType>;
  private readonly named: boolean;

  private constructor(types: ReadonlyMap<string, TensorType>, named: boolean) {
    this.types = types;
    this.named = named;
  }

  /** The one input of a student. */
  static only(type: TensorType): StudentInputs {
    return new StudentInputs(new Map([[ONLY, type]]), false);
  }

  /**
   * Inputs by name, in the order of a student that has names for them.
   * @param where names them in messages. @throws GlobalPercError when there are none, or they are not those of the student.
   */
  static named(types: Readonly<Record<string, TensorType>>, student: AnyModule, where: string): StudentInputs {
    const names = Object.keys(types);
    if (names.length === 0) throw refused(where, 'at least one input', types);
    const own = student.inputNames ?? names;
    if (own.length !== names.length || own.some((name) => types[name] === undefined)) {
      throw new GlobalPercError(
        `${where} should name the student's inputs ${own.join(', ')}, got ${names.join(', ')}`,
        {
          code: 'invalid-option',
        },
      );
    }
    return new StudentInputs(new Map(own.map((name) => [name, types[name] as TensorType])), true);
  }

  get shapes(): readonly Shape[] {
    return Array.from(this.types.values(), ({ shape }) => shape);
  }

  /** Declares them as inputs of a training graph, whose other inputs have no such names. */
  declare(graph: Graph): Tensor[] {
    return Array.from(this.types, ([name, { dtype, shape }]) => graph.input(this.graphName(name), dtype, shape));
  }

  /** What a call gives, as inputs of that graph. @throws GlobalPercError for what is missing, not known, or does not fit. */
  feeds(given: StepInput): Record<string, HostTensor> {
    return Object.fromEntries(
      Array.from(this.tensorsOf(given), ([name, tensor]) => {
        const { dtype, shape } = this.types.get(name) as TensorType;
        return [this.graphName(name), checkedTensor(this.messageName(name), tensor, dtype, shape)] as const;
      }),
    );
  }

  /** The same inputs with the shapes that a call gives. Throws as `feeds` does. */
  like(given: StepInput): StudentInputs {
    const types = Array.from(this.tensorsOf(given), ([name, tensor]) => {
      const { dtype } = this.types.get(name) as TensorType;
      return [name, { dtype, shape: checkedTensor(this.messageName(name), tensor, dtype).dims }] as const;
    });
    return new StudentInputs(new Map(types), this.named);
  }

  /** How messages say what the inputs are. */
  get description(): string {
    if (!this.named) return `an input [${this.shapes[0]}]`;
    return Array.from(this.types, ([name, { shape }]) => `${name} [${shape}]`).join(', ');
  }

  private tensorsOf(given: StepInput): ReadonlyMap<string, TensorLike> {
    if (!this.named) return new Map([[ONLY, given as TensorLike]]);
    const names = [...this.types.keys()];
    const found = isObject(given) ? Object.keys(given) : [];
    const wrong = !isObject(given) || 'dims' in given ? 'one tensor' : found.join(', ') || 'none';
    if (found.length === names.length && names.every((name) => found.includes(name)))
      return new Map(names.map((name) => [name, (given as Record<string, TensorLike>)[name] as TensorLike]));
    throw new GlobalPercError(`the student's inputs are given by name, step({ ${names.join(', ')} }); got ${wrong}`, {
      code: 'invalid-argument',
    });
  }

  private graphName(name: string): string {
    return this.named ? `input:${name}` : name;
  }

  private messageName(name: string): string {
    return this.named ? `input '${name}'` : name;
  }
}

/** Tensors as they are now: see `snapshot`. */
export const snapshotInput = (given: StepInput): StepInput =>
  isObject(given) && !('dims' in given)
    ? Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, snapshot(tensor)]))
    : snapshot(given);

/**
 * A tensor in the element type of an input. @param why what a shape that differs is about.
 * @throws GlobalPercError when it has another shape, or no integers where there should be.
 */
export function checkedTensor(
  name: string,
  tensor: TensorLike,
  dtype: DataType,
  shape?: Shape,
  why?: string,
): HostTensor {
  const converted = toFloat32(tensor, name);
  if (shape && !sameShape(converted.dims, shape)) {
    const reason = why ? `: ${why}; change the student or the data` : '';
    throw new GlobalPercError(`${name} has shape [${converted.dims}], the trainer was made for [${shape}]${reason}`, {
      code: 'invalid-argument',
    });
  }
  if (dtype !== 'int64') return converted;
  const fraction = converted.data.find((value) => !Number.isInteger(value));
  if (fraction !== undefined)
    throw new GlobalPercError(`${name} should hold integers, it holds ${fraction}`, { code: 'invalid-argument' });
  // Large integers have no float32.
  const data = tensor.data instanceof BigInt64Array ? tensor.data : BigInt64Array.from(converted.data, BigInt);
  return { ...converted, dtype, data };
}
