/** Adds weights to the bytes of a model. */
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { joinedBytes, ONNX_DTYPE } from '../graph/index.js';
import type { ExternalConstant } from './write.js';

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

/** What stands before the bytes of a field. */
const prefix = ({ number }: { readonly number: number }, parts: readonly Uint8Array[]): Uint8Array =>
  new BinaryWriter()
    .tag(number, WireType.LengthDelimited)
    .uint32(parts.reduce((sum, { length }) => sum + length, 0))
    .finish();
