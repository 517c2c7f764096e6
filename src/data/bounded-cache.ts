/** What is made from files, kept as long as there is room. */
export class BoundedCache<Value> {
  /** The least recently used first. */
  private readonly kept = new Map<string, Value>();
  private readonly coming = new Map<string, Promise<Value>>();
  private bytes = 0;

  constructor(
    private readonly budget: number,
    private readonly bytesOf: (value: Value) => number,
  ) {}

  /** The value of a key: the one that is kept, or on its way, or a new one. Rejects as `make` does, and keeps no failures. */
  async get(key: string, make: () => Promise<Value>): Promise<Value> {
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    const coming = this.coming.get(key) ?? this.makeAndKeep(key, make);
    this.coming.set(key, coming);
    return coming;
  }

  private async makeAndKeep(key: string, make: () => Promise<Value>): Promise<Value> {
    try {
      const value = await make();
      this.keep(key, value);
      return value;
    } finally {
      this.coming.delete(key);
    }
  }

  private keep(key: string, value: Value): void {
    this.kept.set(key, value);
    this.bytes += this.bytesOf(value);
    for (const [oldest, other] of this.kept) {
      if (this.bytes <= this.budget) break;
      this.kept.delete(oldest);
      this.bytes -= this.bytesOf(other);
    }
  }
}
