/** A graph as text: what two graphs of one text compute is the same. */
import type { Attribute, ConstantData, Graph, Node, Value } from '../graph/index.js';
import type { Contents } from '../runtime/index.js';

/** The text, and the constants in the order in which it names them. */
export interface Described {
  readonly text: string;
  readonly constants: readonly ConstantData[];
}

/** @returns undefined for a graph with parts that have no text: branches and loop bodies, and weights in files that cannot be looked at. */
export const described = (graph: Graph, contents: Contents): Described | undefined => read(graph, contents, EXACT);

/**
 * The text of a graph but for what its sizes decide: a session for one graph of this text computes every other.
 * @param given constants that every run is given. @returns undefined as above
 */
export const describedStructure = (graph: Graph, given: readonly Value[], contents: Contents): string | undefined =>
  read(graph, contents, {
    type: ({ dtype, shape }) => `${dtype} ${shape?.length}`,
    name: () => '',
    given: new Set(given),
  })?.text;

/** What is told of values that are computed or given, and of nodes. */
interface Telling {
  type(value: Value): string;
  name(node: Node): string;
  /** Constants of which nothing else is told. */
  readonly given: ReadonlySet<Value>;
}

/** Names of nodes are in ONNX Runtime's messages. */
const EXACT: Telling = { type: typeText, name: ({ name }) => name, given: new Set() };

function read(graph: Graph, contents: Contents, telling: Telling): Described | undefined {
  const description = new Description(contents, telling);
  for (const input of graph.inputs) description.input(input);
  for (const node of graph.nodes) description.node(node);
  for (const output of graph.outputs) description.output(output);
  const { lines, constants, isWhole } = description;
  return isWhole ? { text: lines.join('\n'), constants } : undefined;
}

/** So many bytes of a constant stand in the text themselves. */
const INLINE = 64;

/** From so many bytes on a constant is a weight, which does not change: it is looked at once, not for every shape. */
const WEIGHT = 2 ** 16;

const digests = new WeakMap<ConstantData, string>();

class Description {
  readonly lines: string[] = [];
  readonly constants: ConstantData[] = [];
  isWhole = true;
  private readonly contents: Contents;
  private readonly telling: Telling;
  private readonly numbers = new Map<Value, number>();

  constructor(contents: Contents, telling: Telling) {
    this.contents = contents;
    this.telling = telling;
  }

  input(value: Value): void {
    this.lines.push(`${this.numberOf(value)} in ${JSON.stringify(value.name)} ${this.telling.type(value)}`);
  }

  output(value: Value): void {
    this.lines.push(`${this.numberOf(value)} out ${JSON.stringify(value.name)}`);
  }

  node(node: Node): void {
    const { op, domain, inputs, outputs, attributes } = node;
    const read = inputs.map((value) => value && this.numberOf(value));
    const made = outputs.map((value) => value && `${this.numberOf(value)} ${this.telling.type(value)}`);
    const told = Object.entries(attributes).map(([key, attribute]) => `${key} ${this.attributeText(attribute)}`);
    this.lines.push(`${made} = ${JSON.stringify([domain, op, this.telling.name(node)])} ${read} ${told}`);
  }

  private numberOf(value: Value): number {
    const known = this.numbers.get(value);
    if (known !== undefined) return known;
    const number = this.numbers.size;
    this.numbers.set(value, number);
    if (this.telling.given.has(value)) this.input(value);
    else if (value.constant) {
      this.constants.push(value.constant);
      this.lines.push(`${number} is ${this.constantText(value.constant)}`);
    }
    return number;
  }

  private attributeText(attribute: Attribute): string {
    const { kind, value } = attribute;
    if (kind === 'tensor') return this.constantText(value);
    if (kind === 'graph') this.isWhole = false;
    // Bodies lead back to their nodes.
    return `${kind} ${kind === 'graph' ? '' : JSON.stringify(value, exact)}`;
  }

  private constantText(constant: ConstantData): string {
    const { place, of } = constant;
    if (of) return `${typeText(constant)} of ${this.constantText(of)}`;
    return `${typeText(constant)} ${place ? placeText(place) : this.contentText(constant)}`;
  }

  private contentText(constant: ConstantData): string {
    const { bytes } = constant;
    if (bytes.length <= INLINE) return `${bytes}`;
    const digest = digests.get(constant) ?? this.contents.digest([bytes]);
    if (bytes.length >= WEIGHT) digests.set(constant, digest);
    return digest;
  }
}

/** Weights that stay in their file are not read for this. */
const placeText = ({ folder, location, offset, state }: NonNullable<ConstantData['place']>): string =>
  `${JSON.stringify([folder, location])} ${offset} ${state}`;

function typeText({ dtype, shape }: Pick<Value, 'dtype' | 'shape'>): string {
  return `${dtype}[${shape}]`;
}

/** JSON has no infinite numbers, and no −0. */
const exact = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? `${value}` : Object.is(value, -0) ? '-0' : value;
