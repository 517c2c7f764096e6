/** Reading JSON objects strictly: every key is expected, every error says where. */
import { GlobalPercError } from '../index.js';

/** One object of the configuration; every key that is read is checked off, and what is left over is an error. */
export class Section {
  private readonly unread: Set<string>;
  private readonly json: Record<string, unknown>;
  private readonly where: string;

  constructor(json: unknown, where: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new GlobalPercError(`${where} should be an object, got ${JSON.stringify(json)}`);
    }
    this.json = json as Record<string, unknown>;
    this.where = where;
    this.unread = new Set(Object.keys(this.json));
  }

  has(key: string): boolean {
    return key in this.json;
  }

  take(key: string): unknown {
    this.unread.delete(key);
    return this.json[key];
  }

  /** @throws GlobalPercError when the key is missing. */
  required(key: string): unknown {
    if (this.has(key)) return this.take(key);
    throw new GlobalPercError(`${this.where}: the key '${key}' is missing`);
  }

  /** A positive integer. */
  count(key: string, fallback?: number): number {
    const value = fallback === undefined ? this.required(key) : (this.take(key) ?? fallback);
    if (Number.isInteger(value) && (value as number) > 0) return value as number;
    throw new GlobalPercError(`${this.where}: '${key}' should be a positive integer, got ${JSON.stringify(value)}`);
  }

  number(key: string): number | undefined {
    const value = this.take(key);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw new GlobalPercError(`${this.where}: '${key}' should be a number, got ${JSON.stringify(value)}`);
  }

  string(key: string): string {
    const value = this.required(key);
    if (typeof value === 'string') return value;
    throw new GlobalPercError(`${this.where}: '${key}' should be a string, got ${JSON.stringify(value)}`);
  }

  section(key: string): Section {
    return new Section(this.required(key), `${this.where}: ${key}`);
  }

  /** The one key of an object such as `{ "adamW": { … } }`, with its value. */
  choice<T>(choices: Readonly<Record<string, T>>): [T, unknown] {
    const [name = '', ...more] = Object.keys(this.json);
    const chosen = Object.hasOwn(choices, name) ? choices[name] : undefined;
    if (chosen === undefined || more.length > 0) {
      throw new GlobalPercError(
        `${this.where} should have one key of ${Object.keys(choices).join(', ')}, got ${JSON.stringify(this.json)}`,
      );
    }
    return [chosen, this.take(name)];
  }

  /** As `choice`, where what belongs to the key is an object of options; none when it is left out. */
  choiceOf<T>(choices: Readonly<Record<string, T>>): [T, Record<string, unknown>] {
    const [chosen, options = {}] = this.choice(choices);
    return [chosen, new Section(options, this.where).json];
  }

  /** @throws GlobalPercError when a key was never read. */
  finish(): void {
    const [unknown] = this.unread;
    if (unknown !== undefined) throw new GlobalPercError(`${this.where}: the key '${unknown}' is not known`);
  }
}
