/** Bytes → protobuf message, with messages that tell a wrong file from a damaged one. */
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { fileKind, GlobalPercError } from '../graph/index.js';

/** A decoded model: its graph is there, and so is the version of the standard operators. */
export interface DecodedModel {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  readonly opset: number;
}

/**
 * Decodes an ONNX file; tensor data stays a view of `bytes`.
 * @throws GlobalPercError when the bytes are something else, or break off.
 */
export function decodeModel(bytes: Uint8Array, source: string): DecodedModel {
  const model = decode(bytes, source);
  const opset = standardOpset(model.opsetImport);
  if (model.graph === undefined || opset === undefined) throw undecodable(bytes, source);
  return { model, graph: model.graph, opset };
}

function decode(bytes: Uint8Array, source: string): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw undecodable(bytes, source, error);
  }
}

/** True for the two ways of writing the standard operators' domain. */
export const isStandardDomain = (domain: string): boolean => domain === '' || domain === 'ai.onnx';

/** The version of the standard operators that an import list names. */
export function standardOpset(imports: readonly { domain: string; version: bigint }[]): number | undefined {
  const entry = imports.find(({ domain }) => isStandardDomain(domain));
  return entry && Number(entry.version);
}

function undecodable(bytes: Uint8Array, source: string, cause?: unknown): GlobalPercError {
  const kind = fileKind(bytes);
  if (startsAsOnnx(bytes) && kind === undefined) {
    return new GlobalPercError(
      `${source}: truncated or damaged ONNX file (${bytes.length} bytes); download or export it again`,
      { code: 'invalid-model', cause },
    );
  }
  const found = kind === undefined ? `its ${bytes.length} bytes do not begin like one` : `it is ${kind}`;
  return new GlobalPercError(
    `${source}: not an ONNX file (${found}); expected the bytes of an .onnx model, as torch.onnx.export writes it`,
    { code: 'invalid-model', cause },
  );
}

/** Every writer puts the file format version first: field 1, a small varint. */
const startsAsOnnx = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x08 && bytes[1] !== undefined && bytes[1] >= 1 && bytes[1] < 64;
