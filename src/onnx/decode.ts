/** Bytes → protobuf message, with messages that tell a wrong file from a damaged one. */
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { GlobalPercError } from '../graph/index.js';

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
  } catch {
    throw undecodable(bytes, source);
  }
}

/** True for the two ways of writing the standard operators' domain. */
export const isStandardDomain = (domain: string): boolean => domain === '' || domain === 'ai.onnx';

/** The version of the standard operators that an import list names. */
export function standardOpset(imports: readonly { domain: string; version: bigint }[]): number | undefined {
  const entry = imports.find(({ domain }) => isStandardDomain(domain));
  return entry && Number(entry.version);
}

function undecodable(bytes: Uint8Array, source: string): GlobalPercError {
  if (startsAsOnnx(bytes) && !isSafetensors(bytes)) {
    return new GlobalPercError(
      `${source}: truncated or damaged ONNX file (${bytes.length} bytes); download or export it again`,
    );
  }
  return new GlobalPercError(`${source}: not an ONNX file (${whatItIs(bytes)}); expected the bytes of an .onnx model`);
}

/** Every writer puts the file format version first: field 1, a small varint. */
const startsAsOnnx = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x08 && bytes[1] !== undefined && bytes[1] >= 1 && bytes[1] < 64;

/** The length of its header in eight bytes, then the header. */
const isSafetensors = (bytes: Uint8Array): boolean =>
  bytes[8] === '{'.charCodeAt(0) && bytes.subarray(5, 8).every((byte) => byte === 0);

/** What files handed in by mistake begin with. */
const KNOWN_STARTS: readonly (readonly [string, string])[] = [
  ['version https://git-lfs', 'it is a Git LFS pointer: run `git lfs pull`'],
  ['<', 'it looks like a web page: check the URL'],
  ['{', 'it looks like JSON'],
  ['\x89PNG', 'it is a PNG image'],
  ['\xff\xd8\xff', 'it is a JPEG image'],
  ['PK\x03\x04', 'it is a zip archive, as PyTorch checkpoints are: export the model with torch.onnx.export'],
  ['\x80', 'it is a Python pickle: export the model with torch.onnx.export'],
  ['\x89HDF', 'it is an HDF5 file'],
];

function whatItIs(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty';
  if (isSafetensors(bytes)) return 'it holds weights alone, as safetensors: export the model with torch.onnx.export';
  const start = String.fromCharCode(...bytes.subarray(0, 32)).trimStart();
  const known = KNOWN_STARTS.find(([prefix]) => start.startsWith(prefix));
  return known?.[1] ?? `its ${bytes.length} bytes do not begin like one`;
}
