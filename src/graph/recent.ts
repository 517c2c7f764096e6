/** For so many shapes graphs and sessions are kept, by everything that has one for each. */
export const REMEMBERED = 8;

/** What was used last, by key: the rest is forgotten. */
export class Recent<V> {
  private readonly values = new Map<string, V>();

  get(key: string): V | undefined {
    const value = this.values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.values.delete(key);
    this.values.set(key, value);
    const [oldest] = this.values.keys();
    if (this.values.size > REMEMBERED) this.values.delete(oldest as string);
  }
}
