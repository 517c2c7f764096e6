/** What a caller gave in place of something else, for a message. */
export function described(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Promise) return 'a promise: await it first';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? `an object of class ${value.constructor?.name}` : typeof value;
}
