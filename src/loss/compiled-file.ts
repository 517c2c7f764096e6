/** A compiled loss as an ONNX model: in memory, or in files where its weights exceed what one ONNX file can hold. */
import { byteLengthOf, GlobalPercError, type Graph } from '../graph/index.js';
import { type ExternalConstant, weightBytes, writeOnnx } from '../onnx/index.js';
import { requiredOpset } from '../ops/index.js';
import { platform } from '../runtime/index.js';

/** Protobuf messages end at 2 GiB; some of it is for the nodes. */
const EMBEDDED_UP_TO = 2 ** 31 - 2 ** 26;

/** Smaller constants stay in the model: shape arithmetic is read before weight files are. */
const EXTERNAL_FROM = 1024;

/** The bytes of a model with its weights. @throws GlobalPercError when they exceed what one ONNX file can hold. */
export function modelBytes(graph: Graph): Uint8Array {
  const bytes = weightBytes(graph);
  if (bytes > EMBEDDED_UP_TO) {
    throw new GlobalPercError(
      `the compiled loss holds ${(bytes / 1e9).toFixed(1)} GB of weights, one ONNX file at most 2: use compileToFile`,
      { code: 'runtime' },
    );
  }
  return writeOnnx(graph, { opset: requiredOpset(graph) }).model;
}

const weightPath = (path: string): string => `${path}.data`;

/** What `writeModelFile` may write. */
export const filesAt = (path: string): string[] => [path, weightPath(path)];

/** Writes a model; large weights go to `path.data`. @returns the bytes written. @throws GlobalPercError when that fails. */
export async function writeModelFile(graph: Graph, path: string): Promise<number> {
  const externalPath = weightPath(path).split(/[/\\]/).at(-1) as string;
  const bytes = weightBytes(graph);
  const isLarge = bytes > EMBEDDED_UP_TO;
  const external = isLarge ? { externalFrom: EXTERNAL_FROM, externalPath } : {};
  const written = writeOnnx(graph, { opset: requiredOpset(graph), ...external });
  if (isLarge) await platform.writeBytes(weightPath(path), weightFile(written.external));
  await platform.writeBytes(path, written.model);
  return written.model.length + (isLarge ? bytes : 0);
}

/** The weights with the gaps between them, one at a time: together they may exceed the memory. */
function* weightFile(weights: readonly ExternalConstant[]): Generator<Uint8Array> {
  let end = 0;
  for (const { offset, constant } of weights) {
    yield new Uint8Array(offset - end);
    yield constant.bytes;
    end = offset + byteLengthOf(constant);
  }
}
