/** Names that all begin alike. */

/** The entries without the prefix that all their names have; undefined when one has not, or there are none. */
export function withoutPrefix<Value>(
  entries: ReadonlyMap<string, Value>,
  prefix: string,
): Map<string, Value> | undefined {
  if (entries.size === 0 || ![...entries.keys()].every((name) => name.startsWith(prefix))) return undefined;
  return new Map(Array.from(entries, ([name, value]) => [name.slice(prefix.length), value]));
}
