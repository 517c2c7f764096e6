/** Adds weights to the bytes of a model. */
import { create, toBinary } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { joinedBytes, ONNX_DTYPE } from '../graph/index.js';
import type { ExternalConstant } from './weights.js';

type Weight = Pick<ExternalConstant, 'path' | 'constant'>;

/**
 * A model that refers to weights in a folder, with the others. Each follows in a message of its own: of one field, parsers of protobuf join what several
 * messages say (https://protobuf.dev/programming-guides/encoding/#last-one-wins). They are copied once; a message that is built whole copies them several times.
 */
export const embedding = (model: Uint8Array, weights: readonly Weight[]): Uint8Array =>
  joinedBytes([model, ...weights.flatMap(modelOf)]);

/** The bytes of a model that has nothing but a weight, in parts. */
function modelOf({ path: name, constant: { dtype, shape, bytes } }: Weight): Uint8Array[] {
  const type = create(TensorProtoSchema, { name, dataType: ONNX_DTYPE[dtype], dims: shape.map(BigInt) });
  const { rawData } = TensorProtoSchema.field;
  const tensor = [toBinary(TensorProtoSchema, type), prefix(rawData, [bytes]), bytes];
  const graph = [prefix(GraphProtoSchema.field.initializer, tensor), ...tensor];
  return [prefix(ModelProtoSchema.field.graph, graph), ...graph];
}

/** What stands before the bytes of a field. Not by the library's writer, an entry of its own, which pages without a bundler would have to name. */
export const prefix = ({ number }: { readonly number: number }, parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from([number * 8 + LENGTH_DELIMITED, parts.reduce((sum, { length }) => sum + length, 0)].flatMap(varint));

/** The wire type of bytes that their number stands before. */
const LENGTH_DELIMITED = 2;

/** A number in groups of seven bits, the lowest first (https://protobuf.dev/programming-guides/encoding/#varints). */
const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...varint(Math.floor(value / 0x80))];
