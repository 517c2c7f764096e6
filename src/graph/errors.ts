/**
 * What kind of thing went wrong, for programs: the codes are stable from version to version, messages are not.
 * An error that says more about another (the model, hook or file where it happened) keeps that one's code.
 */
export type ErrorCode =
  /** Data given to a call (a tensor, shape, module or index) do not fit it; a call with other data may succeed. */
  | 'invalid-argument'
  /** How something is set up: an option, a configuration's key or a constructor's argument is unknown, missing or out of range. */
  | 'invalid-option'
  /** A model that is damaged, quantised or in half precision, or has not the inputs, modules or weights that are needed. */
  | 'invalid-model'
  /** What another file holds (picture, array, weights, checkpoint, JSON) is damaged, of another format, or made for something else. */
  | 'invalid-file'
  /** An operator, or a form of one, that is not supported or has no gradient, in a model that may be right. */
  | 'unsupported-operator'
  /** A file, folder or address that is missing, out of reach, or refuses. */
  | 'io'
  /** A tensor, a weight or a result that is NaN or infinite. */
  | 'not-finite'
  /** Use after `dispose()`. */
  | 'disposed'
  /** Memory ran out: of the machine, or of the 4 GB that a page's WebAssembly has. */
  | 'out-of-memory'
  /** The GPU went away, with the weights and the optimiser's state that were kept on it. */
  | 'device-lost'
  /** ONNX Runtime, its worker or another library failed, is missing, or cannot do what is asked here and now. */
  | 'runtime';

/** What a GlobalPercError takes beside its message. */
export interface ErrorDetails {
  readonly code: ErrorCode;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/**
 * The one error class for everything a caller can put right: bad files, shapes, options, unsupported models.
 * Its message says what was expected, what came, where, and what to do. Any other exception is a defect of ours.
 */
export class GlobalPercError extends Error {
  override readonly name = 'GlobalPercError';
  /** What kind of error it is, for programs; messages may change. */
  readonly code: ErrorCode;

  /** @param message becomes one line: what it quotes from a file or another library may have several. */
  constructor(message: string, { code, cause }: ErrorDetails) {
    super(message.replace(/\s*[\r\n]\s*/g, ' '), cause === undefined ? {} : { cause });
    this.code = code;
  }
}

/** The first names of a list, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length - 8;
  return more > 0 ? `${names.slice(0, 8).join(', ')} and ${more} more` : names.join(', ');
}

/**
 * How named tensors differ from the expected ones, for a message; empty when they have the same keys and shapes.
 * @param owner whose the expected ones are, e.g. `the model`.
 */
export function differences(
  found: ReadonlyMap<string, readonly number[]>,
  expected: ReadonlyMap<string, readonly number[]>,
  owner: string,
): string {
  const kinds = [
    ['missing', [...expected.keys()].filter((key) => !found.has(key))],
    [`not in ${owner}`, [...found.keys()].filter((key) => !expected.has(key))],
    [
      'of another shape',
      [...expected].flatMap(([key, shape]) => {
        const other = found.get(key);
        return other && other.join() !== shape.join() ? [`${key} [${other}] instead of [${shape}]`] : [];
      }),
    ],
  ] as const;
  return kinds
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${listed(names)}`)
    .join('; ');
}

/** What a caller gave in place of something else, for a message. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Promise) return 'a promise: await it first';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function' && value.constructor === Function) {
    const kind = /^class\b/.test(String(value)) ? 'class' : 'function';
    return value.name === '' ? `a ${kind}` : `the ${kind} ${value.name}`;
  }
  // Modules are functions, of a class of their own.
  if (typeof value !== 'object' && typeof value !== 'function') return typeof value;
  // Object.create(null) has no class.
  const name = (value as Partial<object>).constructor?.name;
  return name === undefined ? 'an object' : `an object of class ${name}`;
}
