/** Where the weights of a written model are: in it, beside it, or where they lay before. */
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema, type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from 'onnx-buf';
import { byteLengthOf, type ConstantData, type FilePlace, ONNX_DTYPE, type TensorType } from '../graph/index.js';

/** A weight outside the model. */
export interface ExternalConstant {
  readonly path: string;
  /** First byte in the file of that path. */
  readonly offset: number;
  readonly constant: ConstantData;
}

/** Weights that a model refers to where they lie. */
export interface InPlace {
  /** The folder from which it names their files. */
  readonly folder: string;
  /** What the files were, by these names: see FilePlace. */
  readonly files: Readonly<Record<string, string>>;
  /** How many bytes the weights are. */
  readonly bytes: number;
}

/** How weights are written. */
export interface WeightOptions {
  /** Hand out constants from this number of bytes on, instead of writing them into the model. Default: none. */
  readonly externalFrom?: number;
  /** Hand them out as parts of one file of this path, instead of as files of their own. */
  readonly externalPath?: string;
  /** Refer to weights that lie in files where they are; all others are to be embedded. Default false. */
  readonly inPlace?: boolean;
}

/** Weights in one file begin at multiples of this: what a cache line or vector register may want. */
const ALIGNMENT = 64;

/** Decides for each constant whether it goes into the model, beside it, or stays where it lies. */
export class WeightWriter {
  readonly external: ExternalConstant[] = [];
  private readonly options: WeightOptions;
  private readonly folder: readonly string[] | undefined;
  private readonly files: Record<string, string> = {};
  private bytes = 0;
  private end = 0;

  /** @param constants all that will be written */
  constructor(constants: readonly ConstantData[], options: WeightOptions) {
    this.options = options;
    const places = constants.flatMap(({ place }) => (options.inPlace && place ? [segmentsOf(place.folder)] : []));
    if (places.length > 0) this.folder = places.reduce<readonly string[]>(common, places[0] as string[]);
  }

  /** What stays in files. */
  get inPlace(): InPlace | undefined {
    const { folder, files, bytes } = this;
    if (!folder?.length || bytes === 0) return undefined;
    return { folder: folder.length === 1 ? `${folder[0]}/` : folder.join('/'), files, bytes };
  }

  write(constant: ConstantData, name: string): TensorProto {
    const { externalFrom = Number.POSITIVE_INFINITY, externalPath } = this.options;
    const { place } = constant;
    if (this.folder?.length && place) return this.referring(constant, name, place, this.folder.length);
    if (byteLengthOf(constant) < externalFrom) return tensorProto(constant, name);
    const path = externalPath ?? name;
    const offset = externalPath === undefined ? 0 : this.end;
    this.end = Math.ceil((offset + byteLengthOf(constant)) / ALIGNMENT) * ALIGNMENT;
    this.external.push({ path, offset, constant });
    return externalTensor(constant, name, path, offset);
  }

  private referring(constant: ConstantData, name: string, place: FilePlace, depth: number): TensorProto {
    const file = [...segmentsOf(place.folder).slice(depth), place.location].join('/');
    this.files[file] = place.state;
    this.bytes += byteLengthOf(constant);
    return externalTensor(constant, name, file, place.offset);
  }
}

/** The names in a path, of either system; that of the root is empty. */
const segmentsOf = (path: string): string[] => path.replace(/[\\/]$/, '').split(/[\\/]/);

/** What two paths begin with; nothing for two drives. */
function common(one: readonly string[], other: readonly string[]): readonly string[] {
  const end = one.findIndex((name, i) => name !== other[i]);
  return end < 0 ? one : one.slice(0, end);
}

export const tensorProto = (data: ConstantData, name = ''): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: ONNX_DTYPE[data.dtype],
    dims: data.shape.map(BigInt),
    rawData: data.bytes as Uint8Array<ArrayBuffer>,
  });

const externalTensor = (type: TensorType, name: string, location: string, offset: number): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: ONNX_DTYPE[type.dtype],
    dims: type.shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries({ location, offset, length: byteLengthOf(type) }).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value: String(value) }),
    ),
  });
