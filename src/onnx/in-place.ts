/** Models of which the large weights stay in the file, so that neither reading it nor holding it takes memory for them. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from 'onnx-buf';
import { joinedBytes, ONNX_DTYPE } from '../graph/index.js';
import { prefix } from './embedding.js';
import { type ExternalFile, STAYS_IN_FILE_FROM } from './external.js';

/**
 * The bytes of a model without its large weights, which are external data from here on: they lie in the model's own file. Weights of half precision are not
 * left, since they become float32.
 * @param location the name of the file
 * @returns undefined where the file is not what a model looks like; whoever reads it whole can say why.
 */
export function leavingWeights(file: ExternalFile, location: string): Uint8Array | undefined {
  const wire = new Wire(file);
  const { graph } = ModelProtoSchema.field;
  const { initializer } = GraphProtoSchema.field;
  try {
    const parts = wire.rewritten({ data: 0, end: file.length }, (ofModel) => {
      if (ofModel.number !== graph.number) return undefined;
      const inGraph = wire.rewritten(ofModel, (ofGraph) => {
        if (ofGraph.number !== initializer.number) return undefined;
        const tensor = withoutData(wire, ofGraph, location);
        return [prefix(initializer, tensor), ...tensor];
      });
      return [prefix(graph, inGraph), ...inGraph];
    });
    return joinedBytes(parts);
  } catch (error) {
    if (error instanceof NoMessage) return undefined;
    throw error;
  }
}

const HALVES: readonly number[] = [ONNX_DTYPE.float16, ONNX_DTYPE.bfloat16];

/** A tensor that says where its data lie, if they are large, in the place of them. */
function withoutData(wire: Wire, tensor: Part, location: string): Uint8Array[] {
  const { dataType, rawData } = TensorProtoSchema.field;
  let isHalf = false;
  return wire.rewritten(tensor, ({ number, data, end }) => {
    // Fields come in the order of their numbers, as every writer has it.
    if (number === dataType.number) isHalf = HALVES.includes(wire.varint(data)[0]);
    if (number !== rawData.number || isHalf || end - data < STAYS_IN_FILE_FROM) return undefined;
    const entries = Object.entries({ location, offset: data, length: end - data });
    const externalData = entries.map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value: String(value) }),
    );
    const dataLocation = TensorProto_DataLocation.EXTERNAL;
    return [toBinary(TensorProtoSchema, create(TensorProtoSchema, { dataLocation, externalData }))];
  });
}

/** What is said where bytes are no message of protobuf. */
class NoMessage extends Error {}

/** Bytes of a file, from `data` to `end`. */
interface Part {
  readonly data: number;
  readonly end: number;
}

/** A field of a message. */
interface Field extends Part {
  readonly number: number;
  /** Its first byte; its data begin behind the number. */
  readonly start: number;
}

/** What is read at once where numbers of fields are looked for. */
const WINDOW = 2 ** 14;

/** A file as messages of protobuf (https://protobuf.dev/programming-guides/encoding/). */
class Wire {
  private readonly file: ExternalFile;
  private window = new Uint8Array();
  private first = 0;

  constructor(file: ExternalFile) {
    this.file = file;
  }

  /** The bytes of a message in which some fields are others. */
  rewritten({ data, end }: Part, other: (field: Field) => readonly Uint8Array[] | undefined): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let kept = data;
    const keep = (until: number): unknown => until > kept && parts.push(this.file.read(kept, until - kept));
    for (const field of this.fields({ data, end })) {
      const replaced = other(field);
      if (replaced === undefined) continue;
      keep(field.start);
      parts.push(...replaced);
      kept = field.end;
    }
    keep(end);
    return parts;
  }

  private *fields({ data, end }: Part): Generator<Field> {
    for (let start = data; start < end; ) {
      const [tag, next] = this.varint(start);
      const [number, type] = [Math.floor(tag / 8), tag % 8];
      const [from, to] = this.extent(type, next);
      if (to > end || number === 0) throw new NoMessage();
      yield { number, start, data: from, end: to };
      start = to;
    }
  }

  /** Where the data of a field are, by their type: a varint, 8 bytes, as many as are said, 4 bytes. */
  private extent(type: number, at: number): readonly [from: number, to: number] {
    if (type === 0) return [at, this.varint(at)[1]];
    if (type === 1) return [at, at + 8];
    if (type === 5) return [at, at + 4];
    if (type !== 2) throw new NoMessage();
    const [length, from] = this.varint(at);
    return [from, from + length];
  }

  /** A number in groups of seven bits, the lowest first, and where it ends. */
  varint(at: number): readonly [value: number, end: number] {
    let [value, weight] = [0, 1];
    for (let end = at; end < at + 10; end += 1) {
      const byte = this.byte(end);
      value += (byte % 0x80) * weight;
      weight *= 0x80;
      if (byte < 0x80) return [value, end + 1];
    }
    throw new NoMessage();
  }

  private byte(at: number): number {
    if (at >= this.file.length) throw new NoMessage();
    if (at < this.first || at >= this.first + this.window.length) {
      this.first = at;
      this.window = new Uint8Array(this.file.read(at, Math.min(WINDOW, this.file.length - at)));
    }
    return this.window[at - this.first] as number;
  }
}
