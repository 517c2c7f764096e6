/** How modules are printed. */

/** What is printed of a module besides its settings, which are its fields. */
interface Printable {
  readonly className: string;
  namedChildren(): readonly (readonly [string, Printable])[];
}

/** Class and settings of a module, and all below it, as PyTorch prints them. */
export function printed(module: Printable): string {
  const settings = Object.entries(module).flatMap(([name, value]) => (name === 'training' ? [] : shown(name, value)));
  const children = module
    .namedChildren()
    .map(([name, child]) => `\n(${name}): ${printed(child)}`.replaceAll('\n', '\n  '));
  return `${module.className}(${settings.join(', ')}${children.join('')}${children.length > 0 ? '\n' : ''})`;
}

/** A setting as `name=value`, each option as one; nothing for what is no plain value. */
function shown(name: string, value: unknown): string[] {
  const isPlain = value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype;
  if (isPlain) return Object.entries(value).flatMap(([key, option]) => shown(key, option));
  const isShort = Array.isArray(value) && value.every((element) => typeof element !== 'object' || element === null);
  if (isShort && value.length <= 8) return [`${name}=[${value.join(', ')}]`];
  return value === null || ['number', 'boolean', 'string'].includes(typeof value) ? [`${name}=${value}`] : [];
}
